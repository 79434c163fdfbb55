package text

// jaImage is enImage in Japanese.
func jaImage() map[string]string {
	return map[string]string{
		"image.short":        "サーバーのレジストリにあるコンテナーイメージ",
		"image.long":         "サーバーは自分のアドレスでコンテナーレジストリも提供します。docker や crane、クラスターのノードからは\nHOST:PORT/WORKSPACE/NAME:TAG という名前で使えます。イメージは環境とコードからデーモンなしで作ります。",
		"image.build.short":  "ベース、環境、コードからイメージを作る",
		"image.build.long":   "サーバーでイメージを作ります。Python の入ったベースイメージ、環境のパッケージの層 (wheel のみ)、フォルダーの\nファイルを /code に置く層からなります。環境の層は一度しか作りません。ベースには別のレジストリのイメージか、\nこのワークスペースのイメージの NAME:TAG を指定します。--push を付けると、このマシンの docker login を使って\n別のレジストリにも送ります。",
		"image.list.short":   "イメージを一覧する",
		"image.list.long":    "ワークスペースのイメージ、または一つの名前のタグを一覧します。base/ 以下はベースとして取得したもの、\nenvironment はクラスターでの実行のために作ったものです。",
		"image.show.short":   "イメージとその層を表示する",
		"image.show.long":    "イメージを取得するときの名前、ダイジェスト、層を表示します。",
		"image.delete.short": "イメージを削除する",
		"image.delete.long":  "タグを削除します。最後のタグがなくなったイメージも消え、どのイメージにも使われない層は一日以上たってから消えます。",
		"image.import.short": "ファイルからイメージを取り込む",
		"image.import.long":  "docker save または podman save で書き出したイメージを、サーバーのレジストリに送ります。",

		"flag.image.env":  "環境。conda の`FILE`、requirements.txt、または名前",
		"flag.image.base": "Python の入ったベースイメージ (`IMAGE`)。既定では環境が指定するもの",
		"flag.image.code": "イメージの /code に置くファイルの`FOLDER`",
		"flag.image.push": "イメージを`REF`として別のレジストリにも送る",

		"col.image": "イメージ", "col.layer": "層",

		"talk.image.deleted":  "%s を削除しました",
		"talk.image.imported": "%s を %s として取り込みました",
		"talk.image.pushed":   "%s として送りました",
	}
}
