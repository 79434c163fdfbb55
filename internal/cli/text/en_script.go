package text

// enScript is what the commands about secrets, and about scripts of Azure ML, say.
func enScript() map[string]string {
	return map[string]string{
		"secret.short":        "Secrets of the workspace",
		"secret.long":         "Secrets are passwords and keys that runs read by name: run.get_secret(\"NAME\") in a script. They are\nkept sealed. Contributors and runs may read them, Readers may not.",
		"secret.set.short":    "Set a secret",
		"secret.set.long":     "Set a secret to what is typed, or to the standard input, or to a file's text without the line end at\nits end. The value is never an argument, which others on this machine could see.",
		"secret.get.short":    "Print a secret",
		"secret.get.long":     "Print the value of a secret to the standard output.",
		"secret.list.short":   "List secrets",
		"secret.list.long":    "List the names of the secrets, not their values.",
		"secret.delete.short": "Delete secrets",
		"secret.delete.long":  "Delete secrets. What is not there is no error.",
		"scan.short":          "Tell what of a script for Azure ML works here",
		"scan.long":           "Read scripts and notebooks that use SDK v1 (azureml-core), and tell which calls they make, which of\nthem work here, and why not. Nothing is run or sent, and Python is not needed. The exit code is 1 if\na call is refused.",

		"flag.secret.file": "`FILE` with the value; - is the standard input",
		"flag.secret.type": "what kind of value it is, as a `TEXT`",

		"col.contenttype": "TYPE", "col.call": "CALL", "col.line": "LINE", "col.here": "HERE", "col.why": "WHY", "col.file": "FILE",

		"talk.secret.ask":     "value of secret %s: ",
		"talk.secret.set":     "secret %s set",
		"talk.secret.deleted": "secret %s deleted",
		"talk.scan":           "%d file(s), %d call(s): %d work, %d with a note, %d refused, %d unknown",
		"talk.scan.none":      "%d file(s): no use of azureml",

		"scan.works": "works", "scan.noted": "works, note", "scan.refused": "refused", "scan.unknown": "unknown",
		"scan.unknown.why": "no call of azureml-core 1.61 that is known here",
	}
}

// scriptExamples are the same in all languages.
func scriptExamples() map[string][]string {
	return map[string][]string{
		"secret":        {"zaffre secret set db-password", "zaffre secret list"},
		"secret.set":    {"zaffre secret set db-password", "zaffre secret set --file key.pem signing-key"},
		"secret.get":    {"zaffre secret get db-password", "zaffre secret get db-password -o json"},
		"secret.list":   {"zaffre secret list", "zaffre secret list -o name"},
		"secret.delete": {"zaffre secret delete db-password", "zaffre secret delete $(zaffre secret list -o name)"},
		"scan":          {"zaffre scan submit.py", "zaffre scan notebooks/ -o json"},
	}
}
