package text

// jaMetric is enMetric in Japanese.
func jaMetric() map[string]string {
	return map[string]string{
		"run.metrics.short":  "実行が記録したメトリックを表示する",
		"run.metrics.long":   "実行のメトリックを、それぞれ最新の値とともに表示します。NAME を付けると、その推移をグラフで描きます。\n横軸はステップで、ステップがすべて同じなら秒です。有限の数でない点は空白になります。-o json、-o yaml、\n--csv では、記録された順にすべての点を出力します。",
		"flag.metrics.last":  "新しいほうから `N` 点だけ",
		"flag.metrics.csv":   "名前、ステップ、時刻、値を CSV で出力する",
		"flag.metrics.watch": "実行が終わるまで繰り返し表示する",
		"flag.metrics.every": "--watch の間隔",
		"col.metric":         "メトリック",
		"col.points":         "点数",
		"col.step":           "ステップ",
		"metrics.summary":    "%s: %d 点、最小 %s、最大 %s、最新 %s",
		"metrics.gaps":       "、うち %d 点は有限の数ではありません",
	}
}
