package text

import "strings"

// usage is cobra's usage template with its headings in the catalogue's language.
func usage(usage, aliases, examples, commands, flags, global, more string) string {
	return strings.NewReplacer("U:", usage+":", "A:", aliases+":", "E:", examples+":", "C:", commands+":", "F:", flags+":", "G:", global+":", "M:", more+":").
		Replace(`U:{{if and .Runnable (not .HasAvailableSubCommands)}}
  {{.UseLine}}{{end}}{{if .HasAvailableSubCommands}}
  {{.CommandPath}} [command]{{end}}{{if gt (len .Aliases) 0}}

A:
  {{.NameAndAliases}}{{end}}{{if .HasExample}}

E:
{{.Example}}{{end}}{{if .HasAvailableSubCommands}}

C:{{range .Commands}}{{if .IsAvailableCommand}}
  {{rpad .Name .NamePadding }} {{.Short}}{{end}}{{end}}{{end}}{{if .HasAvailableLocalFlags}}

F:
{{.LocalFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableInheritedFlags}}

G:
{{.InheritedFlags.FlagUsages | trimTrailingWhitespaces}}{{end}}{{if .HasAvailableSubCommands}}

M: {{.CommandPath}} [command] --help{{end}}
`)
}

// examples are the same in all languages: what to type.
func examples() map[string]string {
	out := map[string]string{}
	for key, lines := range map[string][]string{
		"zaffre":             {"zaffre quickstart", "zaffre run submit --follow train.py --epochs 3"},
		"serve":              {"zaffre serve", "zaffre serve --data /srv/zaffre --listen 0.0.0.0:8443 --tls-names ml.example.org", "zaffre serve --ephemeral"},
		"status":             {"zaffre status", "zaffre status --wait 30s -o json"},
		"login":              {"zaffre login https://ml.example.org:8443", "zaffre login --token-file token.txt --ca ca.pem https://ml.example.org:8443"},
		"version":            {"zaffre version", "zaffre version -o json"},
		"quickstart":         {"zaffre quickstart", "zaffre quickstart --keep"},
		"config":             {"zaffre config show", "zaffre config show --data /srv/zaffre -o yaml"},
		"config.show":        {"zaffre config show", "ZAFFRE_LISTEN=127.0.0.1:9000 zaffre config show -o json"},
		"backup":             {"zaffre backup zaffre-backup.tar.zst", "zaffre backup --data /srv/zaffre /mnt/backups/monday.tar.zst"},
		"restore":            {"zaffre restore --data /srv/zaffre-new zaffre-backup.tar.zst", "zaffre restore /mnt/backups/monday.tar.zst"},
		"completion":         {"source <(zaffre completion bash)", "zaffre completion fish > ~/.config/fish/completions/zaffre.fish"},
		"run":                {"zaffre run submit --follow train.py", "zaffre run list --active"},
		"run.submit":         {"zaffre run submit --follow train.py --epochs 3", "zaffre run submit --env conda.yml --compute server --experiment digits --gpus 1 train.py", "zaffre run submit --source . --timeout 1h --set MODE=fast src/train.py", "zaffre run submit -- nvidia-smi"},
		"run.list":           {"zaffre run list --experiment digits", "zaffre run list --active -o json", "zaffre run list --where \"metrics.accuracy > 0.9\" --metrics accuracy,loss --sort -accuracy"},
		"run.compare":        {"zaffre run compare last 4kz7", "zaffre run compare --differing 4kz7 8fmc last"},
		"run.tag":            {"zaffre run tag --set stage=final last", "zaffre run tag --remove stage 4kz7"},
		"run.delete":         {"zaffre run delete 4kz7", "zaffre run delete $(zaffre run list --where \"metrics.loss > 10\" -o name)"},
		"run.restore":        {"zaffre run restore 4kz7d2m9qa", "zaffre run restore $(zaffre run list --deleted -o name)"},
		"run.show":           {"zaffre run show last", "zaffre run show 4kz7 -o json"},
		"run.logs":           {"zaffre run logs last", "zaffre run logs -f 4kz7"},
		"run.download":       {"zaffre run download last", "zaffre run download --prefix outputs/ 4kz7 results"},
		"run.cancel":         {"zaffre run cancel last", "zaffre run cancel $(zaffre run list --active -o name)"},
		"run.why":            {"zaffre run why last", "zaffre run why 4kz7 -o json"},
		"run.metrics":        {"zaffre run metrics last", "zaffre run metrics last loss", "zaffre run metrics --csv last loss > loss.csv"},
		"experiment":         {"zaffre experiment list", "zaffre experiment list -o json"},
		"experiment.delete":  {"zaffre experiment delete digits", "zaffre experiment delete --workspace lab digits"},
		"experiment.restore": {"zaffre experiment restore digits", "zaffre experiment restore --workspace lab digits"},
		"experiment.list":    {"zaffre experiment list", "zaffre experiment list -o name"},
		"environment":        {"zaffre environment list", "zaffre environment build conda.yml"},
		"environment.list":   {"zaffre environment list", "zaffre environment list digits -o json"},
		"environment.show":   {"zaffre environment show digits", "zaffre environment show digits:2 -o yaml"},
		"environment.build":  {"zaffre environment build conda.yml", "zaffre environment build --compute server digits:2"},
		"compute":            {"zaffre compute list", "zaffre compute kinds"},
		"compute.attach":     {"zaffre compute attach sshvm gpu-box --address 10.0.0.4 --user me --key-file ~/.ssh/id_ed25519", "zaffre compute attach sshvm --help"},
		"compute.create":     {"zaffre compute create kubernetes aks --agents 3 --size Standard_D3_v2 --image python:3.12", "zaffre compute create kubernetes --print-rbac"},
		"compute.delete":     {"zaffre compute delete --dry-run aks", "zaffre compute delete aks"},
		"compute.list":       {"zaffre compute list", "zaffre compute list -o json"},
		"compute.show":       {"zaffre compute show server", "zaffre compute show server -o yaml"},
		"compute.update":     {"zaffre compute update box --help", "zaffre compute update box --slots 4"},
		"compute.detach":     {"zaffre compute detach --dry-run box", "zaffre compute detach --force box"},
		"compute.check":      {"zaffre compute check server", "zaffre compute check box -o json"},
		"compute.kinds":      {"zaffre compute kinds", "zaffre compute kinds local"},
		"env":                {"eval \"$(zaffre env)\"", "zaffre env --shell fish | source", "zaffre env -o json"},
		"doctor":             {"zaffre doctor", "zaffre doctor -o json"},
		"workspace.config":   {"zaffre workspace config > config.json", "zaffre workspace config vision -o yaml"},
		"principal":          {"zaffre principal create ci", "zaffre principal list"},
		"principal.create":   {"zaffre principal create --role Contributor --expires 2160h ci > secret.txt", "zaffre principal create ci -o json"},
		"principal.list":     {"zaffre principal list", "zaffre principal list -o json"},
		"principal.rotate":   {"zaffre principal rotate CLIENT-ID > secret.txt", "zaffre principal rotate --expires 2160h CLIENT-ID -o json"},
		"principal.delete":   {"zaffre principal delete CLIENT-ID", "zaffre principal delete $(zaffre principal list -o name)"},
		"compute.trust":      {"zaffre compute trust box", "zaffre compute trust box -o json"},
		"compute.ssh":        {"zaffre compute ssh box", "zaffre compute ssh box -- nvidia-smi", "tar c data | zaffre compute ssh box -- tar x"},
		"compute.ssh-config": {"zaffre compute ssh-config box >> ~/.ssh/config", "ssh zaffre-box nvidia-smi", "rsync -a data/ zaffre-box:data/"},
		"inventory":          {"zaffre inventory list", "zaffre inventory show /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/VM"},
		"inventory.add":      {"zaffre inventory add /subscriptions/S/resourceGroups/G/providers/Microsoft.Compute/virtualMachines/VM address=10.0.0.4 via=bastion", "zaffre inventory add RESOURCE-ID user=ubuntu --secret privateKey=$HOME/.ssh/id_ed25519 --allow ci"},
		"inventory.list":     {"zaffre inventory list", "zaffre inventory list -o yaml > inventory.yaml"},
		"inventory.show":     {"zaffre inventory show RESOURCE-ID", "zaffre inventory show RESOURCE-ID -o json"},
		"inventory.remove":   {"zaffre inventory remove RESOURCE-ID", "zaffre inventory remove $(zaffre inventory list -o name)"},
		"inventory.import":   {"zaffre inventory import inventory.yaml", "zaffre inventory import -w vision - < inventory.yaml"},
		"workspace":          {"zaffre workspace list", "zaffre workspace use vision"},
		"workspace.list":     {"zaffre workspace list", "zaffre workspace list -o name"},
		"workspace.create":   {"zaffre workspace create vision", "zaffre workspace create vision -o json"},
		"workspace.show":     {"zaffre workspace show", "zaffre workspace show vision -o yaml"},
		"workspace.use":      {"zaffre workspace use vision", "zaffre workspace use default"},
		"token":              {"zaffre token create ci", "zaffre token list"},
		"token.create":       {"zaffre token create --role Reader --expires 720h dashboard", "zaffre token create ci > token.txt"},
		"token.list":         {"zaffre token list", "zaffre token list -o json"},
		"token.revoke":       {"zaffre token revoke 01jd3kq6w8", "zaffre token revoke $(zaffre token list -o name)"},
		"event":              {"zaffre event list", "zaffre event list -f"},
		"event.list":         {"zaffre event list --limit 10", "zaffre event list -f -o json"},
	} {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	for key, lines := range modelExamples() {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	for key, lines := range imageExamples() {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	for key, lines := range scriptExamples() {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	for key, lines := range sparkExamples() {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	for key, lines := range usqlExamples() {
		out[key+".example"] = "  " + strings.Join(lines, "\n  ")
	}
	return out
}
