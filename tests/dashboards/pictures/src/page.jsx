// A dashboard as a page: its panels in Grafana's grid, from queries that were run before.
import { createTheme, EventBusSrv, ThemeContext } from '@grafana/data';
import { GlobalStyles, PanelChrome, PanelContextProvider } from '@grafana/ui';
import '@fontsource/inter/latin-400.css';
import '@fontsource/inter/latin-500.css';
import { createRoot } from 'react-dom/client';

import { shownFrames } from './fields.js';
import { framesOf } from './frames.js';
import { PANELS } from './panels.jsx';

// Grafana's grid: a row of it is 30 pixels high, with 8 between panels.
const CELL = 30;
const GAP = 8;
const HEAD = 64;
const FOOT = 26;

function placeOf({ x, y, w, h }, width) {
  const column = (width - GAP) / 24;
  return {
    height: h * CELL + (h - 1) * GAP,
    left: GAP + x * column,
    position: 'absolute',
    top: HEAD + y * (CELL + GAP),
    width: w * column - GAP,
  };
}

function Empty({ text, theme }) {
  const style = { alignItems: 'center', color: theme.colors.text.secondary, display: 'flex', height: '100%', justifyContent: 'center' };
  return <div style={style}>{text}</div>;
}

function Panel({ panel, frames, place, ...rest }) {
  const Drawn = PANELS[panel.type];
  const empty = frames.every(({ length }) => !length);
  const none = panel.fieldConfig.defaults.noValue;
  return (
    <div style={place}>
      <PanelChrome description={panel.description} height={place.height} padding={panel.type === 'stat' ? 'none' : 'md'}
        title={panel.title} width={place.width}>
        {(width, height) =>
          empty && panel.type !== 'stat'
            ? <Empty text={none ?? 'No data'} theme={rest.theme} />
            : <Drawn panel={panel} frames={frames} width={width} height={height} {...rest} />}
      </PanelChrome>
    </div>
  );
}

function Row({ panel, place, theme }) {
  return <div style={{ ...place, fontSize: 16, fontWeight: 500, paddingTop: 6, color: theme.colors.text.primary }}>{panel.title}</div>;
}

function Head({ dashboard, chosen, theme }) {
  const box = { background: theme.colors.background.secondary, border: `1px solid ${theme.colors.border.medium}`, borderRadius: 2, padding: '3px 8px' };
  return (
    <div style={{ alignItems: 'center', display: 'flex', gap: 16, height: HEAD, padding: '0 12px' }}>
      <div style={{ fontSize: 20, fontWeight: 500, marginRight: 'auto' }}>{dashboard.title}</div>
      {chosen.map(([label, value]) => (
        <div key={label} style={box}><span style={{ color: theme.colors.text.secondary }}>{label}</span>{'  '}{value}</div>
      ))}
    </div>
  );
}

function Page({ data, shown, theme }) {
  const { dashboard, width, height, chosen, versions } = data;
  const foot = { bottom: 6, color: theme.colors.text.disabled, fontSize: 12, position: 'absolute', right: 12 };
  return (
    <ThemeContext.Provider value={theme}>
      <GlobalStyles />
      <PanelContextProvider value={{ eventBus: new EventBusSrv(), eventsScope: '', sync: () => 0 }}>
        <div style={{ background: theme.colors.background.canvas, height, position: 'relative', width }}>
          <Head dashboard={dashboard} chosen={chosen} theme={theme} />
          {dashboard.panels.map((panel, index) =>
            panel.type === 'row'
              ? <Row key={panel.id} panel={panel} place={placeOf(panel.gridPos, width)} theme={theme} />
              : <Panel key={panel.id} panel={panel} frames={shown[index]} place={placeOf(panel.gridPos, width)}
                  range={data.range} step={data.step} theme={theme} timeZone="utc" />)}
          <div style={foot}>{`Drawn with @grafana/ui ${versions.ui} from real query results; not a screenshot of Grafana.`}</div>
        </div>
      </PanelContextProvider>
    </ThemeContext.Provider>
  );
}

async function main() {
  const data = await (await fetch('data.json')).json();
  // Sizes are measured while drawing, so Grafana's font has to be there before.
  await Promise.all([document.fonts.load('400 14px Inter'), document.fonts.load('500 14px Inter')]);
  const theme = createTheme({ colors: { mode: data.theme } });
  const shown = await Promise.all(data.dashboard.panels.map((panel) =>
    panel.type === 'row' ? [] : shownFrames(panel, framesOf(panel, data.answers[panel.id], data.step), theme, 'utc')));
  createRoot(document.getElementById('page')).render(<Page data={data} shown={shown} theme={theme} />);
}

window.addEventListener('error', ({ message }) => console.error(`page: ${message}`));
main().catch((error) => console.error(`page: ${error.stack}`));
