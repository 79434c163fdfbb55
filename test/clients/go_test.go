package clients_test

import "testing"

// TestGoClient runs the program of the module armgo against the server.
func TestGoClient(t *testing.T) {
	t.Parallel()
	out := start(t).armgo(t, computer{address: "10.0.0.4", port: "2222", user: "ada", password: "right"})
	t.Log(out)
	holds(t, out, "workspace default local", "REFUSED bad-vm PasswordRefused", "the password is wrong",
		"TAKEN my-vm Succeeded 10.0.0.4 2222 true", "list [bad-vm my-vm]", "gone true")
}
