package conda_test

import (
	"regexp"
	"strings"
	"testing"

	"github.com/zaffre-ml/zaffre/internal/conda"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var pep508 = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]*[a-z0-9])?(\[[a-z]+\])?` +
	`(((===|==|!=|<=|>=|~=|<|>)[0-9][0-9a-zA-Z.!+_-]*(\.\*)?)(,(===|==|!=|<=|>=|~=|<|>)[0-9][0-9a-zA-Z.!+_-]*(\.\*)?)*)?$`)

func FuzzTranslate(f *testing.F) {
	f.Add([]byte(sdkSpec), "mlflow")
	f.Add([]byte("name: x\ndependencies:\n- python=3.8.13\n- numpy 1.2|1.3\n- pip: ['-e .']\n"), "--no-deps")
	f.Add([]byte("dependencies: ['conda-forge::x[version=\">=1,<2\"]']"), "")
	f.Add([]byte("a: &a [*a]"), "a==1")
	f.Add([]byte("{\"dependencies\":[\"\\ud83d\\ude00\"],\t\"variables\":{\"A\":1}}"), "x")
	f.Fuzz(func(t *testing.T, spec []byte, pip string) {
		p, err := conda.Translate(spec, []string{pip})
		if err != nil {
			if x := fault.From(err); x.Code != fault.Invalid || x.Why == "" || x.Fix == "" {
				t.Errorf("fault %+v is not the caller's, or says too little", x)
			}
			return
		}
		for _, r := range p.Requirements {
			if !pep508.MatchString(r) {
				t.Errorf("requirement %q is not PEP 508", r)
			}
		}
		for _, line := range p.Pip {
			if strings.ContainsAny(line, "\n\x00") || strings.TrimSpace(line) != line || line == "" {
				t.Errorf("pip's line %q is not one line", line)
			}
		}
		if p.Python != "" && !regexp.MustCompile(`^\d+\.\d+$`).MatchString(p.Python) {
			t.Errorf("Python %q is not a minor version", p.Python)
		}
	})
}
