package hostagent

import (
	"testing"
	"time"
)

// FuzzFacts: whatever a machine says, it is read without harm, and each check that fails is whole.
func FuzzFacts(f *testing.F) {
	f.Add("time=1795466437.842717190\nat=system 10.5\nkernel=Linux\narch=x86_64\nboot=b\nat=home 11\nhome=/h\nhome.is=yes\nat=work 12\nwork=/h/.zaffre\nat=disk 13\ndisk=100\ninodes=0 0\npython=3.11.2 /usr/bin/python3\ntool=uv 1 (x)\ngpu=a, 1, 2\nat=end 14\n")
	f.Add("at=x NaN\nat=y Inf\nat=z -1e300\nwork.noexec= \nwork.error=No space left\nlingering.kill=b true\ndocker.error=x\ngpu.error=y")
	f.Fuzz(func(t *testing.T, out string) {
		facts := ParseFacts(out)
		for name, d := range facts.took {
			if d < 0 || d > time.Minute {
				t.Errorf("the section %q took %v", name, d)
			}
		}
		l := &Look{Facts: facts}
		_ = l.required(facts)
		l.Others("disk", "clock", "lingering", "python", "uv", "docker", "gpus")
		for _, c := range l.Checks {
			if !c.OK && (c.Reason == "" || c.Fix == "" || len(c.Evidence) == 0) {
				t.Errorf("check %+v is not whole", c)
			}
		}
		l.Seen()
	})
}

func TestClock(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]int64{
		"1795466437.842717190": 1795466437842717190,
		"1795466437":           1795466437500000000, // a date that knows no %N: the middle of the second
		"1795466437.%N":        1795466437500000000,
	} {
		if got, ok := parseTime(text); !ok || got.UnixNano() != want {
			t.Errorf("%q is %v, %v", text, got, ok)
		}
	}
	if _, ok := parseTime("today"); ok {
		t.Error("today is a time")
	}
}
