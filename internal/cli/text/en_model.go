package text

// enModel is what the commands about models and files of runs say.
func enModel() map[string]string {
	return map[string]string{
		"artifact.short":       "Files of runs",
		"artifact.long":        "The files that a run left in outputs/ and logs/, that its code logged, or that were added later.",
		"artifact.list.short":  "List files of a run",
		"artifact.list.long":   "List one level of a run's files: those of a folder, and its folders.",
		"artifact.get.short":   "Fetch a file or a folder of a run",
		"artifact.get.long":    "Fetch a file of a run, or all files of a folder, into a folder (by default this one), under their\npaths; - writes a file to the standard output. What is there already is not fetched again, what was\nbegun is continued, and each file's hash is verified.",
		"artifact.put.short":   "Add files to a run",
		"artifact.put.long":    "Add a file or the files of a folder to a run, at a path (by default under its own name). A file that\nis there is replaced as a whole; one with the same bytes is not sent again.",
		"model.short":          "Registered models",
		"model.long":           "A registered model is a name for a row of versions, each with files that never change. Where a\ncommand takes a VERSION, write its number, latest, or an alias.",
		"model.register.short": "Register a version of a model",
		"model.register.long":  "Register a file or a folder under the next version of a model, and make the model if there is none.\nWith --run it is one of the run's files (all if none is named), and nothing is copied; else it is of\nthis machine, and is sent.",
		"model.list.short":     "List models, or the versions of one",
		"model.list.long":      "List the models of the workspace with their newest versions, or the versions of one model.",
		"model.show.short":     "Show a version of a model",
		"model.show.long":      "Show a version of a model, the newest if none is named: where it comes from, and its files.",
		"model.download.short": "Fetch the files of a model",
		"model.download.long":  "Fetch the files of a version, the newest if none is named, into a folder (by default one with the\nmodel's name). What is there already is not fetched again, what was begun is continued, and each\nfile's hash is verified.",
		"model.tag.short":      "Tag a model or a version",
		"model.tag.long":       "Add tags to a version, or to the model if no version is named, or remove them.",
		"model.alias.short":    "Name a version",
		"model.alias.long":     "Have an alias mean a version of a model, and no other one any more.",
		"model.stage.short":    "Move a version to a stage",
		"model.stage.long":     "Move a version to a stage: None, Staging, Production or Archived.",
		"model.delete.short":   "Delete a version, or a model",
		"model.delete.long":    "Delete a version with its files, or with --all a model with all its versions. Files that runs have\nstay.",

		"flag.artifact.all":           "all files below the folder, not one level",
		"flag.model.run":              "`RUN` that has the files",
		"flag.model.description":      "`TEXT` about the version",
		"flag.model.framework":        "`NAME` of the framework, such as ScikitLearn",
		"flag.model.frameworkversion": "`VERSION` of the framework",
		"flag.model.env":              "environment (`NAME:VERSION`) that it needs, instead of the run's",
		"flag.model.removetag":        "remove the tag `K`; may be given more than once",
		"flag.model.removealias":      "take the alias away",
		"flag.model.archive":          "move the others that are in that stage to Archived",
		"flag.model.all":              "the model with all its versions",

		"col.model": "MODEL", "col.stage": "STAGE", "col.alias": "ALIASES", "col.framework": "FRAMEWORK", "col.snapshot": "SNAPSHOT",

		"talk.uploaded":         "%d file(s) in run %s",
		"talk.model.registered": "model %s, version %d, registered",
		"talk.model.tags":       "tags of %s: %s",
		"talk.model.aliased":    "%s is %s",
		"talk.model.unaliased":  "%s is no version of %s any more",
		"talk.model.staged":     "%s is in stage %s",
		"talk.model.deleted":    "%s deleted",
	}
}

// modelExamples are the same in all languages.
func modelExamples() map[string][]string {
	return map[string][]string{
		"artifact":       {"zaffre artifact list last", "zaffre artifact get last outputs/model.pkl"},
		"artifact.list":  {"zaffre artifact list last outputs", "zaffre artifact list --all 4kz7 -o json"},
		"artifact.get":   {"zaffre artifact get last outputs results", "zaffre artifact get 4kz7 outputs/metrics.json - | jq ."},
		"artifact.put":   {"zaffre artifact put last report.html", "zaffre artifact put 4kz7 plots outputs/plots"},
		"model":          {"zaffre model register --run last digits outputs/model", "zaffre model download digits:champion"},
		"model.register": {"zaffre model register --run last digits outputs/model", "zaffre model register --framework ScikitLearn --tag data=2026-01 digits model.pkl"},
		"model.list":     {"zaffre model list", "zaffre model list digits -o json"},
		"model.show":     {"zaffre model show digits", "zaffre model show digits:champion -o yaml"},
		"model.download": {"zaffre model download digits", "zaffre model download digits:3 /srv/models/digits"},
		"model.tag":      {"zaffre model tag digits:3 approved=yes", "zaffre model tag --remove approved digits:3"},
		"model.alias":    {"zaffre model alias digits:3 champion", "zaffre model alias --remove digits champion"},
		"model.stage":    {"zaffre model stage digits:3 Staging", "zaffre model stage --archive-existing digits:3 Production"},
		"model.delete":   {"zaffre model delete digits:3", "zaffre model delete --all digits"},
	}
}
