package text

// enUSQL is what the commands about U-SQL say.
func enUSQL() map[string]string {
	return map[string]string{
		"usql.short":       "Scripts of U-SQL, the language of Azure Data Lake Analytics",
		"usql.long":        "Check and run scripts of U-SQL on this machine. zaffre knows a part of the language; what is not in it\nis refused by its name, with the line. No server is needed.",
		"usql.check.short": "Check scripts",
		"usql.check.long":  "Read scripts, check their names and types, and tell what is wrong or not known here, as a compiler does:\nFILE:LINE:COLUMN. Nothing is run, and Python is not needed. The exit code is 1 if there is something.",
		"usql.run.short":   "Run a script",
		"usql.run.long":    "Run a script. Its paths begin at the folder of --store, and nothing outside of that is read or written.\nThe files that it writes appear together at its end, or not at all. The queries are computed by DuckDB in\nPython: the interpreter needs the package duckdb.",

		"flag.usql.param":  "give a parameter, which wins over DECLARE EXTERNAL, as `NAME=VALUE`; may be repeated",
		"flag.usql.store":  "`FOLDER` that the script's paths begin at",
		"flag.usql.python": "`INTERPRETER` with the package duckdb; the default is python3",

		"col.rows": "ROWS",

		"talk.usql.checked": "%s: nothing is wrong; EXTRACTs that are read: %d, OUTPUTs: %d",
		"talk.usql.done":    "%d file(s) read, %d written, in %.1f s",
	}
}

// usqlExamples are the same in all languages.
func usqlExamples() map[string][]string {
	return map[string][]string{
		"usql":       {"zaffre usql check sales.usql", "zaffre usql run --store data sales.usql"},
		"usql.check": {"zaffre usql check sales.usql", "zaffre usql check -o json --param day=2026-11-29 scripts/*.usql"},
		"usql.run":   {"zaffre usql run --store data sales.usql", "zaffre usql run --store /srv/lake --python duck/bin/python --param day=2026-11-29 sales.usql"},
	}
}
