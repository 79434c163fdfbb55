package text

// enAzure is what the commands for scripts written for Azure say.
func enAzure() map[string]string {
	return map[string]string{
		"inventory.short":        "What stands behind resource IDs",
		"inventory.long":         "Scripts name machines and services by ARM resource IDs and mostly carry nothing else. The inventory\nof a workspace says which real thing is meant. An address in a request wins over it.",
		"inventory.add.short":    "Say what stands behind a resource ID",
		"inventory.add.long":     "Say what stands behind a resource ID, or change what is said: fields that are not named stay, an\nempty value takes one away. Fields: address, port, via (a jump host: the name of a compute target,\nor another resource ID), hostKey, user, livy, databricks, batch, slurm, store. Secrets: password,\nprivateKey, passphrase, kubeconfig; they are sealed and never shown. A request with an address of\nits own does not use the entry; one with a secret of its own does not use those of the entry. It\ntakes an owner.",
		"inventory.list.short":   "List the inventory",
		"inventory.list.long":    "List the inventory of the workspace, without its secrets. With -o yaml in a form that\ninventory import reads.",
		"inventory.show.short":   "Show what stands behind a resource ID",
		"inventory.show.long":    "Show what stands behind a resource ID, without its secrets.",
		"inventory.remove.short": "Forget what stands behind resource IDs",
		"inventory.remove.long":  "Forget what stands behind resource IDs. Compute targets that need an entry cannot be reached from\nthen on. The machines are not touched.",
		"inventory.import.short": "Add the entries of a file",
		"inventory.import.long":  "Add the entries of a YAML or JSON file (- is the standard input): a list, or one under the key\n\"inventory\", in the form of inventory list -o yaml. secret_files names, by field, files with secrets.",

		"flag.inventory.secret": "secret `FIELD=FILE`, read from the file; - is the standard input; may be given more than once",
		"flag.inventory.allow":  "role or name of a caller (`WHO`) that may use the entry; may be given more than once; owners always may",

		"col.resource": "RESOURCE ID", "col.where": "WHERE", "col.allow": "FOR",
		"inventory.sealed":        "(sealed)",
		"talk.inventory.removed":  "nothing says any more what stands behind %s",
		"talk.inventory.imported": "%s is %s",
	}
}
