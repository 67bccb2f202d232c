// From Prometheus' answers to the data frames that Grafana's own data source makes of them.
import { FieldType } from '@grafana/data';

function legendOf(target, metric) {
  if (target.legendFormat !== '__auto') {
    return target.legendFormat.replace(/{{\s*(\w+)\s*}}/g, (_, label) => metric[label] ?? '').trim();
  }
  const labels = Object.entries(metric).filter(([name]) => name !== '__name__');
  return labels.length ? `{${labels.map(([name, value]) => `${name}="${value}"`).join(', ')}}` : 'Value';
}

// Where Prometheus gives no sample there is none: a line must not run across.
function withGaps(values, step) {
  return values.flatMap(([time, number], index) => {
    const next = values[index + 1]?.[0] ?? time;
    return next - time > step ? [[time, number], [time + step, null]] : [[time, number]];
  });
}

function seriesFrame(target, { metric, values, value }, step) {
  const samples = values ? withGaps(values, step) : [value];
  return {
    refId: target.refId,
    length: samples.length,
    fields: [
      { name: 'Time', type: FieldType.time, config: { interval: step * 1000 }, values: samples.map(([t]) => t * 1000) },
      {
        name: 'Value',
        type: FieldType.number,
        labels: metric,
        config: { displayNameFromDS: legendOf(target, metric) },
        values: samples.map(([, number]) => (number === null ? null : Number(number))),
      },
    ],
  };
}

function tableFrame(target, result, several) {
  const labels = [...new Set(result.flatMap(({ metric }) => Object.keys(metric)))];
  const fields = [
    { name: 'Time', type: FieldType.time, config: {}, values: result.map(({ value: [t] }) => t * 1000) },
    ...labels.map((label) => ({
      name: label,
      type: FieldType.string,
      config: { filterable: true },
      values: result.map(({ metric }) => metric[label] ?? ''),
    })),
    {
      name: several ? `Value #${target.refId}` : 'Value',
      type: FieldType.number,
      config: {},
      values: result.map(({ value: [, number] }) => Number(number)),
    },
  ];
  return { refId: target.refId, length: result.length, fields };
}

/** The frames of a panel, from the answers to its queries. */
export function framesOf(panel, answers, step) {
  const told = panel.targets.map((target) => ({ target, result: answers[target.refId] })).filter(({ result }) => result.length);
  return told.flatMap(({ target, result }) =>
    target.format === 'table'
      ? [tableFrame(target, result, told.length > 1)]
      : result.map((series) => seriesFrame(target, series, step)),
  );
}
