// What a dashboard of ours may hold, in Grafana's own types. The types leave options, field
// configuration and queries of a panel open; here they are closed, panel by panel.
import type {
  AnnotationQuery,
  Dashboard as GrafanaDashboard,
  DataSourceRef,
  FieldConfig,
  FieldConfigSource,
  GridPos,
  HideSeriesConfig,
  Panel,
  VariableModel,
} from '@grafana/schema';
import type { Options as StatOptions } from 'grafana-panels/stat/panelcfg/x/StatPanelCfg_types.gen';
import type {
  FieldConfig as TimelineField,
  Options as TimelineOptions,
} from 'grafana-panels/statetimeline/panelcfg/x/StateTimelinePanelCfg_types.gen';
import type { FieldConfig as TableField, Options as TableOptions } from 'grafana-panels/table/panelcfg/x/TablePanelCfg_types.gen';
import type {
  FieldConfig as SeriesField,
  Options as SeriesOptions,
} from 'grafana-panels/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen';
import type { PrometheusDataQuery } from 'grafana-prometheus/dataquery/x/PrometheusDataQuery_types.gen';

// Grafana fills these in when they are left out, whatever the types say.
type Defaulted<T, K extends PropertyKey> = Omit<T, K> & Partial<Pick<T, Extract<K, keyof T>>>;

interface Query extends Omit<PrometheusDataQuery, 'datasource'> {
  datasource: DataSourceRef;
  // Min step: the Prometheus plugin's own type has it, the generated one not.
  interval?: string;
}

interface Fields<Custom> extends Omit<FieldConfigSource, 'defaults'> {
  defaults: Omit<FieldConfig, 'custom'> & { custom?: Custom };
}

interface Shown<Type extends string, Options, Custom>
  extends Required<Pick<Panel, 'description' | 'id' | 'title'>>,
    Pick<Panel, 'maxDataPoints' | 'pluginVersion' | 'transformations'> {
  datasource: DataSourceRef;
  fieldConfig: Fields<Custom>;
  gridPos: GridPos;
  options: Options;
  targets: Query[];
  type: Type;
}

interface NoCustom {}
// `spanNulls` and `insertNulls` are read by the timeline, though its generated type lacks them.
type TimelineCustom = TimelineField & { insertNulls?: boolean; spanNulls?: boolean };

// Columns are hidden by `hidden` up to Grafana 11, by `hideFrom` from 12 on; each ignores the other.
type TableCustom = TableField & { hidden?: boolean; hideFrom?: HideSeriesConfig };

// One property for each type of panel, so that a fault is told against the panel's own kind.
export interface Panels {
  row: { collapsed: boolean; gridPos: GridPos; id: number; panels: []; title: string; type: 'row' };
  // `percentChangeColorMode` came with Grafana 11.
  stat: Shown<'stat', Defaulted<StatOptions, 'percentChangeColorMode'>, NoCustom>;
  'state-timeline': Shown<'state-timeline', Defaulted<TimelineOptions, 'timezone'>, TimelineCustom>;
  table: Shown<'table', Defaulted<TableOptions, 'frameIndex'>, TableCustom>;
  timeseries: Shown<'timeseries', Defaulted<SeriesOptions, 'timezone'>, SeriesField>;
}

// `current` is empty until Grafana fills it in; `definition` is what its list of variables shows.
type Variable = Omit<VariableModel, 'current'> & { current: Record<string, never>; definition?: string };

// The Prometheus plugin's own fields (its PromAnnotationSupport reads them), which the generated type leaves open.
interface Annotation extends AnnotationQuery {
  expr: string;
  step: string;
  tagKeys: string;
  textFormat: string;
  titleFormat: string;
  useValueForTime: boolean;
}

export interface Dashboard extends Omit<GrafanaDashboard, 'annotations' | 'id' | 'panels' | 'templating'> {
  annotations: { list: Annotation[] };
  id: null;
  panels: { type: keyof Panels; [anything: string]: unknown }[];
  templating: { list: Variable[] };
}
