package text

// enMetric is what the commands about metrics say.
func enMetric() map[string]string {
	return map[string]string{
		"run.metrics.short":  "Show what a run logged",
		"run.metrics.long":   "Show the metrics of a run, each with its latest value. With NAME draw how that metric went: by step,\nor by seconds where all steps are the same; points that are no finite numbers leave gaps. With -o json,\n-o yaml or --csv print its points, in the order in which they were logged.",
		"flag.metrics.last":  "only the newest `N` points",
		"flag.metrics.csv":   "print name, step, time and value as CSV",
		"flag.metrics.watch": "show it again until the run has ended",
		"flag.metrics.every": "with --watch: how often",
		"col.metric":         "METRIC",
		"col.points":         "POINTS",
		"col.step":           "STEP",
		"metrics.summary":    "%s: %d points, lowest %s, highest %s, last %s",
		"metrics.gaps":       ", %d of them no finite numbers",
	}
}
