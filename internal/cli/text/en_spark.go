package text

// enSpark is what the commands about Spark say.
func enSpark() map[string]string {
	return map[string]string{
		"spark.short":                "Interactive Spark",
		"spark.long":                 "Work with the Spark of a compute target without a script: start a session, and send it statements.",
		"spark.session.short":        "Interactive sessions",
		"spark.session.long":         "A session is an interpreter on a compute target, in which statements run one after the other and share\ntheir variables. It lasts until it is stopped, or until the target ends it because nobody uses it. The\nsessions of a target are those of all who may submit runs in the workspace.",
		"spark.session.start.short":  "Start a session",
		"spark.session.start.long":   "Start a session, or find the one of that name, and wait until it is idle. Ctrl-C ends the waiting, not\nthe session.",
		"spark.session.list.short":   "List sessions",
		"spark.session.list.long":    "List the sessions of the compute targets of the workspace that were started here. The targets are asked\nfor them; one that does not answer is told and left out.",
		"spark.session.exec.short":   "Run code in a session",
		"spark.session.exec.long":    "Run code in a session, and print what it prints and the value of its last expression. Each CODE is a line;\n-f reads a file, and \"-\" the standard input. Rows are printed with tabs between the values. What fails\nexits with 1, its traceback on stderr. Ctrl-C cancels the statement, and exits with 130.",
		"spark.session.attach.short": "Work in a session at the terminal",
		"spark.session.attach.long":  "Read code from the terminal and run it, until Ctrl-D. A line that ends with : \\ ( [ { or a comma, begins\nwith @ or opens a text of three quotes begins a block; an empty line ends it. Ctrl-C cancels what runs,\nor drops what was typed. The arrow keys bring back earlier lines: they are kept in the state folder,\nby default ~/.local/state/zaffre.",
		"spark.session.stop.short":   "Stop a session",
		"spark.session.stop.long":    "End a session and forget it, with its variables. One that is not there is no error where --compute says\nwhich target is meant.",

		"flag.session.start.compute": "compute target on whose Spark it runs",
		"flag.session.compute":       "compute target that the session is on; needed only where two have one of the same name",
		"flag.session.name":          "`NAME` of the session; the default is its language",
		"flag.session.kind":          "`LANGUAGE` of the statements: pyspark, spark (Scala), sparkr or sql",
		"flag.session.file":          "read the code from `FILE`; - is the standard input",
		"flag.session.stop":          "stop the session when you leave it",

		"col.language":   "LANGUAGE",
		"col.statements": "STATEMENTS",

		"talk.session":            "session %s on %s: %s",
		"talk.session.stopped":    "session %s on %s stopped",
		"talk.session.attached":   "session %s on %s (%s); Ctrl-D leaves it, Ctrl-C cancels a statement",
		"talk.session.goeson":     "session %s goes on",
		"talk.statement.canceled": "statement %d was cancelled",
		"talk.statement.left":     "statement %d does not stop: it goes on in the session",
	}
}

// sparkExamples are the same in all languages.
func sparkExamples() map[string][]string {
	return map[string][]string{
		"spark":                {"zaffre spark session start --compute pool", "zaffre spark session list"},
		"spark.session":        {"zaffre spark session start --compute pool", "zaffre spark session attach pyspark"},
		"spark.session.start":  {"zaffre spark session start --compute pool", "zaffre spark session start --compute pool --name sales --kind sql --option driverMemory=2g --option conf='{\"spark.sql.shuffle.partitions\": 8}'"},
		"spark.session.list":   {"zaffre spark session list", "zaffre spark session list --compute pool -o json"},
		"spark.session.exec":   {"zaffre spark session exec pyspark 'spark.range(10).count()'", "zaffre spark session exec pyspark -f steps.py", "generate-code | zaffre spark session exec pyspark -"},
		"spark.session.attach": {"zaffre spark session attach pyspark", "zaffre spark session attach --stop --compute pool pyspark"},
		"spark.session.stop":   {"zaffre spark session stop pyspark", "zaffre spark session stop --compute pool pyspark"},
	}
}
