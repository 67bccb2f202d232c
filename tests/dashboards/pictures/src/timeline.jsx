// States over time. Grafana's own drawing of them is not in its public packages, so this is ours,
// with Grafana's colours and texts for the values.
import { dateTimeFormat, getFieldDisplayName } from '@grafana/data';

const AXIS = 20;

function spansOf(times, values, end, gap) {
  const spans = [];
  values.forEach((value, index) => {
    const from = times[index];
    const to = Math.min(times[index + 1] ?? end, from + gap, end);
    const last = spans.at(-1);
    if (value === null) {
      return;
    }
    if (last && last.value === value && last.to >= from) {
      last.to = to;
    } else {
      spans.push({ from, to, value });
    }
  });
  return spans;
}

function lanesOf(frames, range, step) {
  return frames.map((frame) => {
    const [time, value] = frame.fields;
    const spans = spansOf(time.values, value.values, range.to, step * 2500).map((span) => ({
      ...span,
      ...value.display(span.value),
    }));
    return { name: getFieldDisplayName(value, frame, frames), spans };
  });
}

function Lane({ lane, top, height, left, width, at }) {
  return (
    <g>
      <text x={left - 8} y={top + height / 2 + 4} textAnchor="end" fill="#ccccdc" fontSize={12}>{lane.name}</text>
      {lane.spans.map(({ from, to, color, text }) => {
        const wide = at(to) - at(from);
        return (
          <g key={from}>
            <rect x={at(from)} y={top} width={Math.max(wide, 1)} height={height} fill={color} fillOpacity={0.8} />
            {wide > text.length * 7 + 8 && <text x={at(from) + 5} y={top + height / 2 + 4} fill="#111217" fontSize={12}>{text}</text>}
          </g>
        );
      })}
    </g>
  );
}

/** One lane per series. */
export function Timeline({ frames, range, step, width, height, timeZone }) {
  const lanes = lanesOf(frames, range, step);
  const left = 14 + 7 * Math.max(...lanes.map(({ name }) => name.length));
  const at = (time) => left + ((time - range.from) / (range.to - range.from)) * (width - left - 6);
  const each = (height - AXIS) / lanes.length;
  const ticks = [0.02, 0.18, 0.34, 0.5, 0.66, 0.82, 0.96].map((share) => range.from + share * (range.to - range.from));
  return (
    <svg width={width} height={height}>
      {lanes.map((lane, index) => (
        <Lane key={lane.name} lane={lane} top={index * each + each * 0.08} height={each * 0.84} left={left} width={width} at={at} />
      ))}
      {ticks.map((tick) => (
        <text key={tick} x={at(tick)} y={height - 5} fill="#9fa7b3" fontSize={11} textAnchor="middle">
          {dateTimeFormat(tick, { format: 'HH:mm', timeZone })}
        </text>
      ))}
    </svg>
  );
}
