/** The facts about an experiment that stand beside its table. */

export type Direction = "maximize" | "minimize";

export interface FieldFacts {
  name: string;
  kind: string;
  varies: boolean;
  log: boolean;
  /** The field exists only where one of these holds; none: everywhere. */
  owners: Record<string, unknown>[];
}

export interface Importance {
  field: string;
  share: number;
  within: string | null;
  settings: number;
  exact: boolean;
}

export interface RunFacts {
  id: string;
  started: string;
  ended: string;
  state: string;
  counts: Record<string, unknown>;
  code: string;
  python: string;
  versions: Record<string, unknown>;
  git: Record<string, unknown> | null;
  engine: string;
  workers: number;
  space: string;
}

/** The code of runs. */
export interface CodeFacts {
  /** The parts of each code by their names: the place of the text, or the digest of a part without text. */
  parts: Record<string, Record<string, number | string>>;
  texts: string[];
}

export interface About {
  experiment: string;
  title: string;
  doc: string;
  written: string;
  superparams: string;
  goal: { column: string; direction: Direction } | null;
  fields: FieldFacts[];
  results: string[];
  repeats: string[];
  counts: Record<string, number>;
  /** All codes that count as current. */
  codes: string[];
  stale: number;
  importance: Record<string, Importance[]>;
  runs: RunFacts[];
  code: CodeFacts;
  logs: Record<string, string>;
  rerun: string;
  /** Columns whose text is JSON. */
  json: string[];
  /** The column that marks rows of other code. */
  staleColumn: string;
  /** The column that tells how many rows of the whole table each row stands for. */
  weightColumn: string;
  /** The column that tells where a field is None, by field. */
  noneColumns: Record<string, string>;
  /** What a reader of the table should know. */
  notes: string[];
  /** The table is a sample of so many rows. */
  sampleOf: number;
  running: RunningFacts[];
  live: Live | null;
}

/** A setting that runs, and its newest step. */
export interface RunningFacts {
  key: string;
  /** Its fields as texts, by name; none if it has not run for half a second. */
  fields: Record<string, string>;
  /** When it began, in seconds since 1970; 0 if that is not known. */
  started: number;
  inSetup: boolean;
  step: string;
  seconds: number;
  values: Record<string, unknown>;
}

/** How to follow the runs of an experiment. */
export interface Live {
  token: string;
  version: string;
  others: { name: string; href: string }[];
}

type Dict = Record<string, unknown>;

const dict = (value: unknown): Dict =>
  typeof value === "object" && value !== null && !Array.isArray(value) ? (value as Dict) : {};
const list = (value: unknown): unknown[] => (Array.isArray(value) ? value : []);
const text = (value: unknown): string => (value === null || value === undefined ? "" : String(value));
const texts = (value: unknown): string[] => list(value).map(text);
const number = (value: unknown): number => (typeof value === "number" ? value : 0);

function fieldFacts(value: unknown): FieldFacts {
  const each = dict(value);
  return {
    name: text(each.name),
    kind: text(each.kind),
    varies: each.varies !== false,
    log: each.log === true,
    owners: list(each.owners).map(dict),
  };
}

function importance(value: unknown): Importance {
  const each = dict(value);
  const within = each.within === null || each.within === undefined ? null : text(each.within);
  const { settings, exact } = each;
  return {
    field: text(each.field),
    share: number(each.share),
    within,
    settings: number(settings),
    exact: exact === true,
  };
}

function runFacts(value: unknown): RunFacts {
  const each = dict(value);
  return {
    id: text(each.id),
    started: text(each.started),
    ended: text(each.ended),
    state: text(each.state),
    counts: dict(each.counts),
    code: text(each.code),
    python: text(each.python),
    versions: dict(each.versions),
    git: each.git ? dict(each.git) : null,
    engine: text(each.engine),
    workers: number(each.workers),
    space: text(each.space),
  };
}

const codeFacts = (each: Dict): CodeFacts => ({
  parts: mapped(each.parts, (parts) =>
    mapped(parts, (part) => (typeof part === "number" ? part : text(part))),
  ),
  texts: texts(each.texts),
});

function goalOf(value: unknown): About["goal"] {
  const goal = dict(value);
  if (typeof goal.column !== "string") return null;
  return { column: goal.column, direction: goal.direction === "minimize" ? "minimize" : "maximize" };
}

const mapped = <T>(value: unknown, each: (item: unknown) => T): Record<string, T> =>
  Object.fromEntries(Object.entries(dict(value)).map(([name, item]) => [name, each(item)]));

function runningFacts(value: unknown): RunningFacts {
  const each = dict(value);
  return {
    key: text(each.key),
    fields: mapped(each.fields, text),
    started: number(each.started),
    inSetup: each.in_setup === true,
    step: text(each.step),
    seconds: number(each.seconds),
    values: dict(each.values),
  };
}

function liveOf(value: unknown): Live | null {
  const live = dict(value);
  if (!("token" in live)) return null;
  const others = list(live.others).map(dict);
  return {
    token: text(live.token),
    version: text(live.version),
    others: others.map((other) => ({ name: text(other.name), href: text(other.href) })),
  };
}

/** The names of columns that mark rows; they differ from the usual ones where a field has these. */
function markingColumns(value: unknown): Pick<About, "staleColumn" | "weightColumn" | "noneColumns"> {
  const columns = dict(value);
  return {
    staleColumn: text(columns.stale),
    weightColumn: text(columns.represents),
    noneColumns: mapped(columns.none, text),
  };
}

/** The facts in a parsed JSON value; what is missing is empty. */
export function aboutOf(value: unknown): About {
  const each = dict(value);
  return {
    experiment: text(each.experiment),
    title: text(each.title) || text(each.experiment) || "Results",
    doc: text(each.doc),
    written: text(each.written),
    superparams: text(each.superparams),
    goal: goalOf(each.goal),
    fields: list(each.fields).map(fieldFacts),
    results: texts(each.results),
    repeats: texts(each.repeats),
    counts: mapped(each.counts, number),
    codes: texts(each.current_codes).concat(each.current_code ? [text(each.current_code)] : []),
    stale: number(each.stale),
    importance: mapped(each.importance, (items) => list(items).map(importance)),
    runs: list(each.runs).map(runFacts),
    code: codeFacts(each),
    logs: mapped(each.logs, text),
    rerun: text(each.rerun),
    json: texts(each.json),
    ...markingColumns(each.columns),
    notes: texts(each.notes),
    sampleOf: number(dict(each.sample).of),
    running: list(each.running).map(runningFacts),
    live: liveOf(each.live),
  };
}
