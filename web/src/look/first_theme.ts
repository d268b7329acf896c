// Runs before anything is drawn: the theme that was chosen before, else that of the system.
import { startTheme } from "./theme.ts";

startTheme();
