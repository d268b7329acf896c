/** Small tables for tests. */

import { aboutOf, type About } from "../src/data/about.ts";
import { columnOf, type Column } from "../src/data/column.ts";

export const field = (values: unknown[], name = "x"): Column => columnOf(values, { name, role: "field" });
export const result = (values: unknown[], name = "y"): Column => columnOf(values, { name, role: "result" });
export const about = (facts: Record<string, unknown>): About => aboutOf(facts);
