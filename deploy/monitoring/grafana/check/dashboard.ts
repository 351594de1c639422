import type { Dashboard, FieldConfigSource, GraphFieldConfig, Panel, TableFieldOptions } from "@grafana/schema";
import type { Options as StatOptions } from "@grafana/schema/dist/esm/raw/composable/stat/panelcfg/x/StatPanelCfg_types.gen";
import type { Options as TableOptions } from "@grafana/schema/dist/esm/raw/composable/table/panelcfg/x/TablePanelCfg_types.gen";
import type { Options as TimeSeriesOptions } from "@grafana/schema/dist/esm/raw/composable/timeseries/panelcfg/x/TimeSeriesPanelCfg_types.gen";

/** A type as JSON has it: the values of enumerations instead of their members. */
type Plain<T> = T extends string ? `${T}` : T extends object ? { [K in keyof T]: Plain<T[K]> } : T;

type Of<Kind extends string, Options, Custom> = Omit<Plain<Panel>, "type" | "options" | "fieldConfig"> & {
  type: Kind;
  options: Plain<Partial<Options>>;
  fieldConfig: Plain<FieldConfigSource<Partial<Custom>>>;
};

export type Known = Omit<Plain<Dashboard>, "panels"> & {
  panels: Array<
    | Of<"stat", StatOptions, object>
    | Of<"table", TableOptions, TableFieldOptions>
    | Of<"timeseries", TimeSeriesOptions, GraphFieldConfig>
  >;
};
