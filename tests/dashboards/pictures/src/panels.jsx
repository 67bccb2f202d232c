// Each type of panel, drawn with the component that Grafana draws it with.
import { getDisplayValueAlignmentFactors, getFieldDisplayValues, toUtc } from '@grafana/data';
import { BigValue, Table, TimeSeries, VizRepeater } from '@grafana/ui';

import { Timeline } from './timeline.jsx';

function valuesOf({ panel, frames, theme, timeZone }) {
  return getFieldDisplayValues({
    data: frames,
    fieldConfig: panel.fieldConfig,
    reduceOptions: panel.options.reduceOptions,
    replaceVariables: (text) => text,
    sparkline: panel.options.graphMode === 'area',
    theme,
    timeZone,
  });
}

function Stat(props) {
  const { panel, width, height, theme } = props;
  const { options } = panel;
  const draw = ({ value: { display, sparkline }, width: w, height: h, count, alignmentFactors }) => (
    <BigValue
      alignmentFactors={alignmentFactors}
      colorMode={options.colorMode}
      count={count}
      graphMode={options.graphMode}
      height={h}
      justifyMode={options.justifyMode}
      sparkline={sparkline}
      textMode={options.textMode}
      theme={theme}
      value={display}
      wideLayout={options.wideLayout}
      width={w}
    />
  );
  return (
    <VizRepeater
      autoGrid
      getAlignmentFactors={getDisplayValueAlignmentFactors}
      getValues={() => valuesOf(props)}
      height={height}
      itemSpacing={3}
      orientation={options.orientation}
      renderCounter={0}
      renderValue={draw}
      source={props.frames}
      width={width}
    />
  );
}

function Series({ panel, frames, width, height, range, timeZone }) {
  const timeRange = { from: toUtc(range.from), raw: { from: '', to: '' }, to: toUtc(range.to) };
  return (
    <TimeSeries
      frames={frames}
      height={height}
      legend={panel.options.legend}
      options={panel.options}
      structureRev={1}
      timeRange={timeRange}
      timeZone={timeZone}
      width={width}
    />
  );
}

function Rows({ panel, frames: [data], width, height, timeZone }) {
  return (
    <Table
      cellHeight={panel.options.cellHeight}
      data={data}
      enableSharedCrosshair={false}
      height={height}
      initialSortBy={panel.options.sortBy}
      noHeader={!panel.options.showHeader}
      resizable
      timeRange={undefined}
      timeZone={timeZone}
      width={width}
    />
  );
}

export const PANELS = {
  stat: Stat,
  'state-timeline': Timeline,
  table: Rows,
  timeseries: Series,
};
