package text

// jaAzure is enAzure in Japanese.
func jaAzure() map[string]string {
	return map[string]string{
		"inventory.short":        "リソース ID が指す実体",
		"inventory.long":         "スクリプトはマシンやサービスを ARM のリソース ID で指し、ほかの情報はほとんど持ちません。\nワークスペースのインベントリーが、実際に何を指すかを示します。要求にアドレスがあれば、そちらが優先されます。",
		"inventory.add.short":    "リソース ID が何を指すかを登録する",
		"inventory.add.long":     "リソース ID が何を指すかを登録または変更します。指定しない項目はそのまま残り、値が空の項目は消えます。\n項目: address、port、via (踏み台: 計算ターゲットの名前か別のリソース ID)、hostKey、user、livy、\ndatabricks、batch、slurm、store。秘密: password、privateKey、passphrase、kubeconfig。秘密は封印され、\n表示されません。アドレスを持つ要求は登録内容を使わず、秘密を持つ要求は登録された秘密を使いません。\n所有者の権限が必要です。",
		"inventory.list.short":   "インベントリーを一覧する",
		"inventory.list.long":    "ワークスペースのインベントリーを、秘密を除いて一覧します。-o yaml の出力は inventory import で読めます。",
		"inventory.show.short":   "リソース ID が何を指すかを表示する",
		"inventory.show.long":    "リソース ID が何を指すかを、秘密を除いて表示します。",
		"inventory.remove.short": "リソース ID の登録を消す",
		"inventory.remove.long":  "リソース ID の登録を消します。その登録を使う計算ターゲットには、以後つながりません。\nマシンには触れません。",
		"inventory.import.short": "ファイルの内容を登録する",
		"inventory.import.long":  "YAML または JSON のファイル (- は標準入力) の内容を登録します。形式は inventory list -o yaml と同じで、\nリストか、キー \"inventory\" の下のリストです。secret_files には、項目ごとに秘密のファイルを書きます。",

		"flag.inventory.secret": "秘密。`FIELD=FILE` のファイルから読む。- は標準入力。複数指定できる",
		"flag.inventory.allow":  "使ってよいロールまたは呼び出し元の名前 (`WHO`)。複数指定できる。所有者はいつでも使える",

		"col.resource": "リソース ID", "col.where": "場所", "col.allow": "使える人",
		"inventory.sealed":        "(封印済み)",
		"talk.inventory.removed":  "%s が指すものの登録を消しました",
		"talk.inventory.imported": "%s は %s です",
	}
}
