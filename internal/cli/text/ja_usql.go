package text

// jaUSQL is enUSQL in Japanese.
func jaUSQL() map[string]string {
	return map[string]string{
		"usql.short":       "U-SQL (Azure Data Lake Analytics の言語) のスクリプト",
		"usql.long":        "U-SQL のスクリプトをこのマシンで検査し、実行します。対応しているのは言語の一部です。対応していないものは、\nその名前と行を示して拒否します。サーバーは要りません。",
		"usql.check.short": "スクリプトを検査する",
		"usql.check.long":  "スクリプトを読んで名前と型を調べ、誤りと未対応のものを、コンパイラーのように FILE:LINE:COLUMN の形で示します。\n何も実行せず、Python も要りません。何かあると終了コードは 1 です。",
		"usql.run.short":   "スクリプトを実行する",
		"usql.run.long":    "スクリプトを実行します。パスは --store のフォルダーから始まり、その外は読み書きしません。出力ファイルは最後に\nまとめて現れ、失敗すれば一つも現れません。クエリーは Python 上の DuckDB が計算するので、インタープリターには\nパッケージ duckdb が必要です。",

		"flag.usql.param":  "パラメーターを `NAME=VALUE` で渡す。DECLARE EXTERNAL より優先。複数指定可",
		"flag.usql.store":  "スクリプトのパスの起点となる `FOLDER`",
		"flag.usql.python": "パッケージ duckdb のある `INTERPRETER`。既定は python3",

		"col.rows": "行数",

		"talk.usql.checked": "%s: 問題はありません。読み込む EXTRACT: %d、OUTPUT: %d",
		"talk.usql.done":    "ファイル %d 個を読み、%d 個を書きました (%.1f 秒)",
	}
}
