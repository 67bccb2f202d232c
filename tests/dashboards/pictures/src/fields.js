// Grafana's own transformations and field options, registered as Grafana registers them.
import {
  applyFieldOverrides,
  dataLinksOverrideProcessor,
  FieldConfigOptionsRegistry,
  identityOverrideProcessor,
  numberOverrideProcessor,
  standardTransformers,
  standardTransformersRegistry,
  stringOverrideProcessor,
  thresholdsOverrideProcessor,
  transformDataFrame,
  unitOverrideProcessor,
  valueMappingsOverrideProcessor,
} from '@grafana/data';
import { firstValueFrom } from 'rxjs';

const PROCESSORS = {
  color: identityOverrideProcessor,
  decimals: numberOverrideProcessor,
  displayName: stringOverrideProcessor,
  links: dataLinksOverrideProcessor,
  mappings: valueMappingsOverrideProcessor,
  max: numberOverrideProcessor,
  min: numberOverrideProcessor,
  noValue: stringOverrideProcessor,
  thresholds: thresholdsOverrideProcessor,
  unit: unitOverrideProcessor,
};

standardTransformersRegistry.setInit(() =>
  // Some are exported under two names.
  [...new Map(Object.values(standardTransformers).map((one) => [one.id, one])).values()].map((transformation) => ({
    aliasIds: transformation.aliasIds,
    editor: () => null,
    id: transformation.id,
    name: transformation.name,
    transformation,
  })),
);

function item(id, path, process, isCustom) {
  return { editor: () => null, id, isCustom, name: id, override: () => null, path, process, shouldApply: () => true };
}

// What the panel's own plugin would register: every custom option that the panel sets.
function customPaths({ defaults, overrides }) {
  const set = overrides.flatMap(({ properties }) => properties.map(({ id }) => id)).filter((id) => id.startsWith('custom.'));
  return new Set([...Object.keys(defaults.custom ?? {}), ...set.map((id) => id.slice('custom.'.length))]);
}

function registryOf(fieldConfig) {
  return new FieldConfigOptionsRegistry(() => [
    ...Object.entries(PROCESSORS).map(([id, process]) => item(id, id, process, false)),
    ...[...customPaths(fieldConfig)].map((path) => item(`custom.${path}`, path, identityOverrideProcessor, true)),
  ]);
}

/** The frames as the panel shows them: transformed, with units, colours and names. */
export async function shownFrames(panel, frames, theme, timeZone) {
  const context = { interpolate: (text) => text };
  const data = await firstValueFrom(transformDataFrame(panel.transformations ?? [], frames, context));
  return applyFieldOverrides({
    data,
    fieldConfig: panel.fieldConfig,
    fieldConfigRegistry: registryOf(panel.fieldConfig),
    replaceVariables: (text) => text,
    theme,
    timeZone,
  });
}
