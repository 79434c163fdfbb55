package zoo_test

import (
	"fmt"
	"maps"
	"os"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver"
)

// walk is one fault on its way out.
type walk struct {
	*desk
	t      *testing.T
	book   *book
	name   string // of the target
	fault  expectation
	target driver.Target
	fix    string // as it was printed
}

// book counts the commands of the fixes that were run.
type book struct {
	mu    sync.Mutex
	found map[string]bool // a reason and the beginning of a command: whether it was run
	runs  int
}

// patience is longer than a target waits by the arrangements, and shorter than a fix says it should.
const patience = 5500 * time.Millisecond

// commands finds what a fix tells to type.
var commands = regexp.MustCompile(`(?:zaffre [a-z]|sudo |ssh-keygen -|ssh-copy-id |nc [A-Z]|journalctl |df -h|puttygen |ssh (?:-|\S+@)|ulimit )[^;]*`)

func (b *book) note(reason, command string, ran bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	words := strings.Fields(command)
	k := reason + ": " + strings.Join(words[:min(2, len(words))], " ")
	b.found[k] = b.found[k] || ran
	if ran {
		b.runs++
	}
}

// command is a command of the fix, with its placeholders filled in.
func (w *walk) command(template string, fill ...string) string {
	w.t.Helper()
	template = strings.ReplaceAll(template, "NAME", w.name)
	if !strings.Contains(w.fix, template) {
		w.t.Fatalf("the fix is %q, without %q", w.fix, template)
	}
	w.book.note(w.fault.reason, template, true)
	return strings.NewReplacer(fill...).Replace(template)
}

// run has the CLI run a command of the fix.
func (w *walk) run(template string, fill ...string) {
	w.t.Helper()
	line := w.command(template, fill...)
	if s := w.zaffre(strings.Fields(line)[1:]...); s.exit != 0 {
		w.t.Fatalf("%s: exit %d: %s%s", line, s.exit, s.out, s.errs)
	}
}

// update has the CLI run the update that the fix tells.
func (w *walk) update(template string, fill ...string) {
	w.t.Helper()
	w.run("zaffre compute update NAME "+template, fill...)
}

// there has vm1 run a command of the fix.
func (w *walk) there(template string, fill ...string) string {
	w.t.Helper()
	return w.sudo(w.t, w.command(template, fill...))
}

// here runs a command of the fix as a user of this machine would.
func (w *walk) here(template string, fill ...string) string {
	w.t.Helper()
	line := w.command(template, fill...)
	out, err := w.shell(w.t, line)
	if err != nil {
		w.t.Fatalf("%s: %v: %s", line, err, out)
	}
	return out
}

// plain does what a fix says in words: the sshd of the target starts anew, without what was wrong.
func (w *walk) plain() { w.restart(w.t, w.port(), "") }

func (w *walk) port() int64 { return w.target.Options[port].(int64) }

func (w *walk) portText() string { return strconv.FormatInt(w.port(), 10) }

// out takes the target to where the fix leads, and looks.
func (w *walk) out(way func(*walk)) {
	w.t.Helper()
	for _, c := range commands.FindAllString(w.fix, -1) {
		w.book.note(w.fault.reason, strings.ReplaceAll(c, w.name, "NAME"), false)
	}
	way(w)
	s := w.zaffre("compute", "check", w.name)
	c := w.show(w.t, w.name)
	if s.exit != 0 || c.State != "Succeeded" {
		w.t.Fatalf("after the fix %q it is %s, exit %d: %s", w.fix, c.State, s.exit, s.errs)
	}
	if k := failing(c, w.fault.check); k.Name != "" {
		w.t.Errorf("after the fix %q the check still fails: %+v", w.fix, k)
	}
}

// TestFixes attaches each wrong machine with the CLI, as a user does: the first line that it prints names the
// cause, and what it says to do leads out. Commands are run as they were printed, with their placeholders
// filled in.
func TestFixes(t *testing.T) {
	l := open(t)
	d := sit(t, l)
	b := &book{found: map[string]bool{}}
	made, ways, list := arrangements(l), d.ways(), expected(t)
	maps.Copy(made, d.later())
	d.attach(t, "bastion", l.target(t, nil))
	t.Run("faults", func(t *testing.T) {
		for _, e := range list {
			t.Run(e.name, func(t *testing.T) {
				t.Parallel()
				way, ok := ways[e.name]
				if !ok {
					t.Fatal("nobody knows a way out")
				}
				w := &walk{desk: d, t: t, book: b, name: "t-" + e.name, fault: e, target: made[e.name](t)}
				w.fix = w.attached()
				w.out(way)
			})
		}
	})
	for k, ran := range b.found {
		if !ran {
			t.Errorf("a fix has a command that nobody ran: %s", k)
		}
	}
	t.Logf("faults %d, must work %d, fixes run %d (%d commands)", len(list), len(l.oddities()), len(list), b.runs)
}

// attached attaches the target, checks what is printed, and returns what it says to do.
func (w *walk) attached() string {
	w.t.Helper()
	s, changed := said{}, w.target.Pinned != nil
	if changed { // it was attached before
		s = w.zaffre("compute", "check", w.name)
	} else {
		s = w.attach(w.t, w.name, w.target)
	}
	if !w.fault.required {
		line := regexp.MustCompile(`(?mi)^check ` + w.fault.check + ` .*$`).FindString(s.out)
		if s.exit != 0 || !strings.Contains(line, "✗") || !strings.Contains(line, w.fault.words) {
			w.t.Errorf("exit %d, the check's line is %q, want %q in it", s.exit, line, w.fault.words)
		}
		return failing(w.show(w.t, w.name), w.fault.check).Fix
	}
	if s.exit != 1 || !strings.HasPrefix(s.first(), "error: ") || !strings.Contains(s.first(), w.fault.words) {
		w.t.Errorf("exit %d, the first line is %q, want %q in it", s.exit, s.first(), w.fault.words)
	}
	for _, secret := range w.target.Secrets {
		if len(secret) > 3 && strings.Contains(s.out+s.errs, secret) {
			w.t.Errorf("a secret was printed: %s%s", s.out, s.errs)
		}
	}
	_, fix, _ := strings.Cut(s.errs, "what to do: ")
	fix, _, _ = strings.Cut(fix, "\n")
	return fix
}

// later are machines that go wrong after they were attached.
func (d *desk) later() map[string]arrange {
	return map[string]arrange{
		"host-key-changed": func(t *testing.T) driver.Target {
			target := d.served(nil, "")(t)
			if s := d.attach(t, "t-host-key-changed", target); s.exit != 0 {
				t.Fatalf("%+v", s)
			}
			d.renew(t, target.Options[port].(int64))
			target.Pinned = map[string]string{}
			return target
		},
		"jump-key-changed": func(t *testing.T) driver.Target {
			jump := d.served(nil, "")(t)
			if s := d.attach(t, "t-jump-key-changed-jump1", jump); s.exit != 0 {
				t.Fatalf("%+v", s)
			}
			d.renew(t, jump.Options[port].(int64))
			return d.target(t, settings{via: []driver.Conn{d.jump(t, jump)}})
		},
	}
}

// renew sets a machine up anew: no connection survives, and it has another host key.
func (d *desk) renew(t testing.TB, port int64) {
	d.sudo(t, `pkill -P "$(cat "/run/zoo-$1.pid")" || :`, fmt.Sprint(port))
	d.restart(t, port, "HostKey /etc/ssh/ssh_host_rsa_key")
}

// ways lead out of the faults.
func (d *desk) ways() map[string]func(*walk) {
	all := map[string]func(*walk){}
	for _, group := range []map[string]func(*walk){d.networkWays(), d.strangerWays(), d.keyWays(), d.loginWays(), d.shellWays(), d.machineWays()} {
		maps.Copy(all, group)
	}
	return all
}

func (d *desk) networkWays() map[string]func(*walk) {
	address := func(w *walk) { w.update("--address ADDRESS", "ADDRESS", d.host) }
	around := func(w *walk) { w.update("--via JUMP-HOST", "JUMP-HOST", "bastion") }
	return map[string]func(*walk){
		"refused-port": func(w *walk) { w.update("--port PORT", "PORT", "22") },
		"black-hole": func(w *walk) {
			d.restart(w.t, w.port(), "") // something is behind the firewall
			around(w)
		},
		"no-dns": address, "no-address": address, "no-route": around,
		"jump-down": func(w *walk) {
			jump := w.name + "-jump1"
			line := w.command("zaffre compute check " + jump)
			if s := d.zaffre(strings.Fields(line)[1:]...); s.exit != 1 || !strings.Contains(s.first(), "no sshd listens there") {
				w.t.Errorf("%+v", s)
			}
			d.zaffre("compute", "update", jump, "--port", "22")
		},
		"jump-key-changed": func(w *walk) {
			jump := w.name + "-jump1"
			line := w.command("zaffre compute check " + jump)
			if s := d.zaffre(strings.Fields(line)[1:]...); !strings.Contains(s.out+s.errs, "zaffre compute trust "+jump) {
				w.t.Errorf("%+v", s)
			}
			d.zaffre("compute", "trust", jump)
		},
		"jump-refuses": func(w *walk) {
			jump, _ := d.leaps.Load(w.target.On[via][0])
			d.restart(w.t, jump.(driver.Target).Options[port].(int64), "")
		},
		"beyond-jump-refused": func(w *walk) {
			w.update("--port PORT", "PORT", fmt.Sprint(d.sshd(w.t, "ListenAddress 127.0.0.1")))
		},
		"beyond-jump-unknown": address,
	}
}

func (d *desk) strangerWays() map[string]func(*walk) {
	moved := func(w *walk) { w.update("--port 22", " 22", " "+fmt.Sprint(d.forwarded(w.t, 0)[port])) }
	healed := func(w *walk) { d.heal(w.t, w.target, 0) }
	logged := func(w *walk) {
		w.there("journalctl -u ssh")
		healed(w)
	}
	listen := func(w *walk) string {
		return w.there("nc ADDRESS PORT", "ADDRESS", "-w 1 "+d.here, "PORT", w.portText()+" </dev/null | head -c 60")
	}
	patient := func(w *walk) {
		d.heal(w.t, w.target, patience)
		w.update("--connect-timeout 15s")
	}
	return map[string]func(*walk){
		"http": moved, "tls": moved, "tls-alert": moved, "mail": moved,
		"banner-flood": func(w *walk) {
			if out := listen(w); !strings.Contains(out, "all work and no play") {
				w.t.Errorf("nc said %q", out)
			}
			healed(w)
		},
		"slow-banner": func(w *walk) {
			listen(w)
			patient(w)
		},
		"auth-stalls": patient, "closed-at-once": logged, "kex-closed": logged, "old-protocol": healed, "one-time-password": healed,
		"kex-stalls": func(w *walk) {
			line := w.command("ssh -v -p " + w.portText() + " azureuser@" + d.here)
			if out, err := d.shell(w.t, "timeout 2 "+line+" true"); err == nil || !strings.Contains(out, "remote software version") {
				w.t.Errorf("%v: %s", err, out)
			}
			healed(w)
		},
		"kex-unsafe": (*walk).plain,
	}
}

func (d *desk) keyWays() map[string]func(*walk) {
	const option = "--key-file "
	good, locked := d.file(d, d.key), read(d, os.Getenv("ENGINES_VM_KEY_ENCRYPTED"))
	give := func(w *walk) { w.update(option+"FILE", "FILE", good) }
	phrase := func(w *walk) {
		w.update("--passphrase-file FILE", "FILE", d.file(w.t, os.Getenv("ENGINES_VM_PASSPHRASE")))
	}
	sign := func(name string) func(*walk) {
		return func(w *walk) {
			w.there("ssh-keygen -s CA -h -n ADDRESS -I NAME KEY.pub", "CA", "/etc/zoo/ca", "ADDRESS", d.host, "KEY.pub", "/etc/zoo/"+name+".pub")
			d.restart(w.t, w.port(), "HostKey /etc/zoo/"+name+"\nHostCertificate /etc/zoo/"+name+"-cert.pub")
		}
	}
	return map[string]func(*walk){
		"host-key-changed": func(w *walk) {
			shown := w.there("ssh-keygen -lf on its console", "on its console", "/etc/ssh/ssh_host_rsa_key.pub")
			if print := strings.Fields(shown)[1]; !strings.Contains(strings.Join(failing(d.show(w.t, w.name), "host-key").Evidence, " "), print) {
				w.t.Errorf("the check does not say %s", print)
			}
			w.run("zaffre compute trust NAME")
		},
		"host-key-other": func(w *walk) {
			shown := strings.Fields(w.there("ssh-keygen -lf on its console", "on its console", "/etc/ssh/ssh_host_ed25519_key.pub"))[1]
			w.update("--host-key " + shown)
		},
		"certificate-name": sign("name"), "certificate-ended": sign("ended"), "certificate-signer": sign("signer"),
		"no-credentials": give, "key-public": give, "key-filename": give,
		"key-putty": func(w *walk) {
			if _, err := d.shell(w.t, "command -v puttygen"); err == nil {
				w.here("puttygen KEY.ppk -O private-openssh -o FILE", "KEY.ppk", good, "FILE", good+".out")
			} else {
				w.t.Log("puttygen is not here: its command is taken as it is")
				w.command("puttygen KEY.ppk -O private-openssh -o FILE")
			}
			give(w)
		},
		"key-cut": func(w *walk) {
			w.here("ssh-keygen -y -f FILE", "FILE", good)
			give(w)
		},
		"passphrase-wrong": func(w *walk) {
			w.here("ssh-keygen -y -f FILE", "FILE", d.file(w.t, locked)+` -P "$ENGINES_VM_PASSPHRASE"`)
			phrase(w)
		},
		"passphrase-missing": phrase,
	}
}

func (d *desk) loginWays() map[string]func(*walk) {
	pw := os.Getenv("ENGINES_VM_PASSWORD")
	secret := func(w *walk) { w.update("--password-file FILE", "FILE", d.file(w.t, pw)) }
	give := func(text string) func(*walk) {
		return func(w *walk) {
			w.update("--key-file FILE", "FILE", d.file(w.t, text))
		}
	}
	name := func(w *walk) { w.update("--user USER", "USER", "azureuser") }
	return map[string]func(*walk){
		"wrong-user": name, "locked-account": name, "keys-disabled": secret, "password-disabled": give(d.key), "second-factor": secret,
		"wrong-password": func(w *walk) {
			w.here("ssh azureuser@"+d.host, d.host, d.host+" true")
			secret(w)
		},
		"wrong-key": func(w *walk) {
			public := d.file(w.t, "") + ".pub"
			if out, err := d.shell(w.t, "ssh-keygen -y -f "+d.file(w.t, w.target.Secrets[key])+" >"+public); err != nil {
				w.t.Fatalf("%v: %s", err, out)
			}
			w.here("ssh-copy-id -f -i KEY.pub z-copy@"+d.host, "KEY.pub", public)
		},
		"key-type-disabled": func(w *walk) {
			w.command("zaffre compute update NAME --user USER, or --key-file FILE")
			s := d.zaffre("compute", "update", w.name, "--key-file", os.Getenv("ENGINES_VM_KEY_ENCRYPTED"),
				"--passphrase-file", d.file(w.t, os.Getenv("ENGINES_VM_PASSPHRASE")))
			if s.exit != 0 {
				w.t.Errorf("%+v", s)
			}
		},
		"too-many-tries": (*walk).plain,
		"password-ended": func(w *walk) {
			w.update("--password-file FILE", "FILE", d.changed(w, "z-old"))
		},
	}
}

// changed is a user who changed his password: it returns the file that has the new one.
func (d *desk) changed(w *walk, user string) string {
	pw := os.Getenv("ENGINES_VM_PASSWORD") + " another"
	d.sudo(w.t, `echo "$1:$2" | chpasswd`, user, pw)
	return d.file(w.t, pw)
}

func (d *desk) shellWays() map[string]func(*walk) {
	again := func(dir string) func(*walk) {
		return func(w *walk) {
			w.run("zaffre compute detach NAME")
			w.target.Options[work] = dir
			if s := d.attach(w.t, w.name, w.target); s.exit != 0 {
				w.t.Errorf("%+v", s)
			}
		}
	}
	shell := func(user string) func(*walk) {
		return func(w *walk) { w.there("sudo chsh -s /bin/sh USER", "USER", user) }
	}
	return map[string]func(*walk){
		"shell-false": shell("z-false"), "shell-nologin": shell("z-nologin"), "forced-command": (*walk).plain, "no-sessions": (*walk).plain,
		"password-expired": func(w *walk) {
			w.update("--password-file FILE", "FILE", d.changed(w, "z-stale"))
		},
		"home-missing": func(w *walk) { w.there("sudo mkhomedir_helper z-gone") },
		"work-noexec":  again("/tmp/zoo-work"), "work-read-only": again("/tmp/zoo-work"), "work-file": again("/tmp/zoo-work"), "work-closed": again("/tmp/zoo-work"),
		"work-full": func(w *walk) {
			if out := w.there("df -h /srv/zoo/full"); !strings.Contains(out, "100%") {
				w.t.Errorf("df said %s", out)
			}
			d.sudo(w.t, "rm /srv/zoo/full/fill; mount -o remount,size=400m /srv/zoo/full") // which is free space
		},
		"work-denied": func(w *walk) { w.there("sudo install -d -o azureuser /srv/zoo/denied/w") },
	}
}

func (d *desk) machineWays() map[string]func(*walk) {
	then := func(command string, after func(*walk)) func(*walk) {
		return func(w *walk) {
			w.there(command)
			after(w)
		}
	}
	stay := func(*walk) {}
	return map[string]func(*walk){
		"not-linux": (*walk).plain, "wrong-architecture": (*walk).plain, "gpu-broken": (*walk).plain,
		"no-python":         then("sudo apt-get install python3", (*walk).plain),
		"clock-ahead":       then("sudo timedatectl set-ntp true", (*walk).plain),
		"left-overs-killed": then("sudo loginctl enable-linger azureuser", stay),
		"docker-denied":     then("sudo usermod -aG docker azureuser", stay),
		"docker-down":       then("sudo systemctl start docker", stay),
	}
}
