package text

// jaScript is enScript in Japanese.
func jaScript() map[string]string {
	return map[string]string{
		"secret.short":        "ワークスペースのシークレット",
		"secret.long":         "シークレットは、実行が名前で読むパスワードや鍵です(スクリプトでは run.get_secret(\"NAME\"))。封をして\n保存されます。Contributor と実行は読め、Reader は読めません。",
		"secret.set.short":    "シークレットを設定する",
		"secret.set.long":     "入力した値、標準入力、またはファイルの内容(末尾の改行は除く)をシークレットに設定します。値を引数に\nすることはできません。このマシンの他の利用者に見えてしまうためです。",
		"secret.get.short":    "シークレットを表示する",
		"secret.get.long":     "シークレットの値を標準出力に表示します。",
		"secret.list.short":   "シークレットの一覧を表示する",
		"secret.list.long":    "シークレットの名前の一覧を表示します。値は表示しません。",
		"secret.delete.short": "シークレットを削除する",
		"secret.delete.long":  "シークレットを削除します。存在しないものはエラーになりません。",
		"scan.short":          "Azure ML 用スクリプトのどこがここで動くかを調べる",
		"scan.long":           "SDK v1 (azureml-core) を使うスクリプトとノートブックを読み、どの呼び出しがあり、どれがここで動き、\n動かないものはなぜかを示します。何も実行せず、何も送信せず、Python も要りません。拒否される呼び出しが\nあると終了コードは 1 です。",

		"flag.secret.file": "値の入った `FILE`。- は標準入力",
		"flag.secret.type": "値の種類(`TEXT`)",

		"col.contenttype": "種類", "col.call": "呼び出し", "col.line": "行", "col.here": "ここでは", "col.why": "理由", "col.file": "ファイル",

		"talk.secret.ask":     "シークレット %s の値: ",
		"talk.secret.set":     "シークレット %s を設定しました",
		"talk.secret.deleted": "シークレット %s を削除しました",
		"talk.scan":           "ファイル %d 個、呼び出し %d 個: 動く %d、注意つき %d、拒否 %d、不明 %d",
		"talk.scan.none":      "ファイル %d 個: azureml の使用はありません",

		"scan.works": "動く", "scan.noted": "動く(注意)", "scan.refused": "拒否", "scan.unknown": "不明",
		"scan.unknown.why": "ここで知られている azureml-core 1.61 の呼び出しではありません",
	}
}
