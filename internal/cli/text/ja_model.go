package text

// jaModel is enModel in Japanese.
func jaModel() map[string]string {
	return map[string]string{
		"artifact.short":       "実行のファイル",
		"artifact.long":        "実行が outputs/ と logs/ に残したファイル、コードが記録したファイル、後から加えたファイルです。",
		"artifact.list.short":  "実行のファイルを一覧する",
		"artifact.list.long":   "実行のファイルを一階層分、フォルダーにあるファイルとフォルダーを一覧します。",
		"artifact.get.short":   "実行のファイルまたはフォルダーを取得する",
		"artifact.get.long":    "実行のファイル、またはフォルダーの全ファイルを、フォルダー (既定ではこのフォルダー) に元のパスで取得します。\n- を指定するとファイルを標準出力に書きます。既にあるものは取得し直さず、途中のものは続きから取得し、\n各ファイルのハッシュを検証します。",
		"artifact.put.short":   "実行にファイルを加える",
		"artifact.put.long":    "ファイル、またはフォルダーのファイルを、実行の指定したパス (既定では元の名前) に加えます。既にあるファイルは\n全体が置き換わり、同じ内容のものは送り直しません。",
		"model.short":          "登録済みモデル",
		"model.long":           "登録済みモデルは版の並びに付けた名前で、各版のファイルは変わりません。VERSION には番号、latest、\nまたはエイリアスを書きます。",
		"model.register.short": "モデルの版を登録する",
		"model.register.long":  "ファイルまたはフォルダーをモデルの次の版として登録し、モデルがなければ作ります。--run を付けると実行の\nファイル (指定がなければ全部) を使い、コピーはしません。付けなければこのマシンのファイルを送ります。",
		"model.list.short":     "モデル、またはその版を一覧する",
		"model.list.long":      "ワークスペースのモデルを最新の版とともに一覧するか、一つのモデルの版を一覧します。",
		"model.show.short":     "モデルの版を表示する",
		"model.show.long":      "モデルの版 (指定がなければ最新) の由来とファイルを表示します。",
		"model.download.short": "モデルのファイルを取得する",
		"model.download.long":  "版 (指定がなければ最新) のファイルをフォルダー (既定ではモデルの名前) に取得します。既にあるものは取得し直さず、\n途中のものは続きから取得し、各ファイルのハッシュを検証します。",
		"model.tag.short":      "モデルまたは版にタグを付ける",
		"model.tag.long":       "版に、版の指定がなければモデルに、タグを付けるか外します。",
		"model.alias.short":    "版に名前を付ける",
		"model.alias.long":     "エイリアスがモデルの一つの版だけを指すようにします。",
		"model.stage.short":    "版をステージに移す",
		"model.stage.long":     "版をステージ (None、Staging、Production、Archived) に移します。",
		"model.delete.short":   "版またはモデルを削除する",
		"model.delete.long":    "版をファイルとともに削除します。--all を付けるとモデルをすべての版とともに削除します。実行のファイルは残ります。",

		"flag.artifact.all":           "一階層ではなく、フォルダー以下の全ファイル",
		"flag.model.run":              "ファイルを持つ`RUN`",
		"flag.model.description":      "版の説明 (`TEXT`)",
		"flag.model.framework":        "フレームワークの名前 (`NAME`)、例えば ScikitLearn",
		"flag.model.frameworkversion": "フレームワークのバージョン (`VERSION`)",
		"flag.model.env":              "実行の環境の代わりに必要とする環境 (`NAME:VERSION`)",
		"flag.model.removetag":        "タグ`K`を外す。複数回指定できる",
		"flag.model.removealias":      "エイリアスを外す",
		"flag.model.archive":          "そのステージにある他の版を Archived に移す",
		"flag.model.all":              "モデルをすべての版とともに",

		"col.model": "モデル", "col.stage": "ステージ", "col.alias": "エイリアス", "col.framework": "フレームワーク", "col.snapshot": "スナップショット",

		"talk.uploaded":         "%d 個のファイルが実行 %s にあります",
		"talk.model.registered": "モデル %s のバージョン %d を登録しました",
		"talk.model.tags":       "%s のタグ: %s",
		"talk.model.aliased":    "%s は %s を指します",
		"talk.model.unaliased":  "%s はもう %s の版を指しません",
		"talk.model.staged":     "%s のステージは %s です",
		"talk.model.deleted":    "%s を削除しました",
	}
}
