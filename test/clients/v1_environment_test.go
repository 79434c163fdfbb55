package clients_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/zaffre-ml/zaffre/client"
)

func TestV1EnvironmentsAndSecrets(t *testing.T) {
	t.Parallel()
	interpreter := v1(t, "3.11")
	b := serve(t)
	out := b.must(t, script{python: interpreter, file: "v1_environment.py", env: []string{"INTERPRETER=python3"}})
	holds(t, out, "REGISTERED train 1 True", "SAME 1", "NEXT 2", "LATEST 2 {'GREETING': 'hello'} ['joblib', 'tabulate']", "OLD 1",
		"LABEL 1 2", "CLONE 7 7", "REFUSED taken ['EnvironmentVersionTaken']", "REFUSED curated ['EnvironmentCurated']",
		"REFUSED missing ['EnvironmentNotFound']", "REFUSED word ['EnvironmentVersionInvalid']", "CONDA 1", "PIP 1",
		"SAVED ['azureml_environment.json', 'conda_dependencies.yml'] of-conda", "USER True True",
		"LIST [('of-conda', '1'), ('of-pip', '1'), ('other', '7'), ('train', '2'), ('user', '1')]", "DETAILS False None None",
		"BUILD Succeeded True", "BROKEN Failed True", "the environment is managed by its user", "the environment is built: ", "the environment is there: ", "NO IMAGE True",
		"SECRET True None", "SECRETS {'one': '1', 'none': None}", "NAMES ['db-password', 'one', 'two']", "LEFT [{'name': 'db-password'}]", "GONE True", "UNSERVED True True")
	for _, secret := range []string{"s3cret-canary", "1-canary", "2-canary"} {
		if strings.Contains(out, secret) || strings.Contains(b.log.String(), secret) || b.stored(t, secret) {
			t.Errorf("the secret %q was printed, logged or stored", secret)
		}
	}
	if s, err := b.Secret(t.Context(), "default", "db-password"); err != nil || s.Value != "s3cret-canary" {
		t.Errorf("the native API reads %v, %v", err, s.Value == "s3cret-canary")
	}
	list, err := b.Secrets(t.Context(), "default", client.Cursor{})
	if err != nil || len(list.Items) != 1 || list.Items[0].Value != "" {
		t.Errorf("the native API lists %+v, %v", list, err)
	}
}

// TestV1PublicNames holds the list of azureml-core's public names, against which the table of what works is
// held, against the real package.
func TestV1PublicNames(t *testing.T) {
	t.Parallel()
	out, err := exec.CommandContext(t.Context(), v1(t, "3.11"), "testdata/v1_public.py").Output()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.ReadFile("../../internal/azureml/testdata/public.txt")
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(out)); diff != "" {
		t.Errorf("public names (-known +real):\n%s", diff)
	}
}
