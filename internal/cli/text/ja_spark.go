package text

// jaSpark is enSpark in Japanese.
func jaSpark() map[string]string {
	return map[string]string{
		"spark.short":                "対話型の Spark",
		"spark.long":                 "スクリプトを書かずに計算ターゲットの Spark を使います。セッションを開始して、文を送ります。",
		"spark.session.short":        "対話型セッション",
		"spark.session.long":         "セッションは計算ターゲット上のインタープリターです。文は順に実行され、変数を共有します。停止するか、\n使われないためにターゲットが終わらせるまで続きます。ターゲットのセッションは、そのワークスペースで\n実行を送信できる全員のものです。",
		"spark.session.start.short":  "セッションを開始する",
		"spark.session.start.long":   "セッションを開始し (同じ名前のものがあればそれを使い)、アイドルになるまで待ちます。Ctrl-C は待つのを\nやめるだけで、セッションは続きます。",
		"spark.session.list.short":   "セッションの一覧を表示する",
		"spark.session.list.long":    "ワークスペースの計算ターゲットで、ここから開始したセッションの一覧を表示します。一覧はターゲットに\n問い合わせます。応答しないターゲットは、その旨を表示して除きます。",
		"spark.session.exec.short":   "セッションでコードを実行する",
		"spark.session.exec.long":    "セッションでコードを実行し、その出力と最後の式の値を表示します。CODE は 1 つが 1 行です。-f はファイル\nから、「-」は標準入力から読みます。行データはタブ区切りで表示します。失敗すると終了コードは 1 で、\nトレースバックは標準エラーに出ます。Ctrl-C は文をキャンセルし、終了コードは 130 です。",
		"spark.session.attach.short": "端末でセッションを使う",
		"spark.session.attach.long":  "端末からコードを読んで実行し、Ctrl-D で終わります。: \\ ( [ { またはコンマで終わる行、@ で始まる行、\n三重引用符を開く行からはブロックになり、空行で終わります。Ctrl-C は実行中の文をキャンセルするか、入力中の\nコードを捨てます。矢印キーで以前の行を呼び出せます。行は状態フォルダー (既定は ~/.local/state/zaffre) に\n残ります。",
		"spark.session.stop.short":   "セッションを停止する",
		"spark.session.stop.long":    "セッションを変数ごと終わらせます。--compute でターゲットを指定した場合、セッションがなくてもエラーに\nなりません。",

		"flag.session.start.compute": "セッションを動かす Spark のある計算ターゲット",
		"flag.session.compute":       "セッションのある計算ターゲット。同じ名前が 2 つのターゲットにあるときだけ必要",
		"flag.session.name":          "セッションの `NAME`。既定は言語の名前",
		"flag.session.kind":          "文の `LANGUAGE`: pyspark、spark (Scala)、sparkr、sql",
		"flag.session.file":          "コードを `FILE` から読む。- は標準入力",
		"flag.session.stop":          "抜けるときにセッションを停止する",

		"col.language":   "言語",
		"col.statements": "文の数",

		"talk.session":            "セッション %s (%s): %s",
		"talk.session.stopped":    "セッション %s (%s) を停止しました",
		"talk.session.attached":   "セッション %s (%s、%s)。Ctrl-D で抜け、Ctrl-C で文をキャンセルします",
		"talk.session.goeson":     "セッション %s は続いています",
		"talk.statement.canceled": "文 %d はキャンセルされました",
		"talk.statement.left":     "文 %d は止まりません。セッションの中で続いています",
	}
}
