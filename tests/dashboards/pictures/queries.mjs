// Runs a dashboard's queries on a Prometheus, as Grafana would.
const MIN_STEP = 30;

async function api(url, call, parameters) {
  const answer = await fetch(`${url}/api/v1/${call}`, { method: 'POST', body: new URLSearchParams(parameters) });
  const { data, error } = await answer.json();
  if (!answer.ok) {
    throw new Error(`${parameters.query}: ${error}`);
  }
  return data.result;
}

function filled(expression, values) {
  return Object.keys(values)
    .sort((a, b) => b.length - a.length)
    .reduce((text, name) => text.replaceAll(`\${${name}}`, values[name]).replaceAll(`$${name}`, values[name]), expression);
}

/** The server that has most to show, unless one is asked for. */
export async function serverOf(url, at, wanted) {
  const query = wanted
    ? `topk(1, max by (source_id, source_name) (huaweicloud_sms_source_state_code{source_id="${wanted}"}))`
    : 'topk(1, count by (source_id, source_name) ({__name__=~"huaweicloud_sms_(source|task)_.+",source_id!=""}))';
  const [found] = await api(url, 'query', { query, time: at });
  if (!found) {
    throw new Error('Prometheus knows no such server');
  }
  return { id: found.metric.source_id, name: found.metric.source_name };
}

/** All in every variable: each job of an exporter, any account, any server. */
export async function everythingOf(url, at) {
  const found = await api(url, 'query', { query: 'group by (job) (sms_exporter_build_info)', time: at });
  return { account: '.*', job: found.map(({ metric: { job } }) => job).join('|'), source_id: '.*' };
}

/** The answers to every query of a dashboard, by panel and letter. */
export async function answersOf(url, dashboard, variables, { at, since, step }) {
  const window = Math.max(step + MIN_STEP, 4 * MIN_STEP);
  const values = { ...variables, __interval: `${step}s`, __range: `${since}s`, __rate_interval: `${window}s` };
  const answers = {};
  for (const panel of dashboard.panels.filter(({ targets }) => targets)) {
    answers[panel.id] = {};
    for (const { expr, instant, refId } of panel.targets) {
      const query = filled(expr, values);
      answers[panel.id][refId] = instant
        ? await api(url, 'query', { query, time: at })
        : await api(url, 'query_range', { end: at, query, start: at - since, step });
    }
  }
  return answers;
}
