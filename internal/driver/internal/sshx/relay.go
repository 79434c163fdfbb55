package sshx

import (
	"bufio"
	"context"
	"io"
	"net"
	"strings"
	"sync"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// relayScript connects to $1 (tcp: $2 is the host, $3 the port; unix: $2 is the path) and copies. It
// says "+" once it is connected, or "-" and why not. $4 names the helpers to try.
const relayScript = `
for tool in $4; do
  command -v $tool >/dev/null 2>&1 || continue
  case $tool in
  python3) exec python3 -c '
import os, select, socket, sys
n, a = sys.argv[1], sys.argv[2:]
try:
    if n == "unix":
        s = socket.socket(socket.AF_UNIX); s.connect(a[0])
    else:
        s = socket.create_connection((a[0], int(a[1])), 10)
    s.settimeout(None)
except Exception as e:
    os.write(1, b"-" + str(e).encode()); sys.exit(1)
os.write(1, b"+")
want = [0, s]
def put(data):
    while data: data = data[os.write(1, data):]
while s in want:
    for f in select.select(want, [], [])[0]:
        if f == 0:
            d = os.read(0, 65536)
            if d: s.sendall(d)
            else: want.remove(0); s.shutdown(1)
        else:
            d = s.recv(65536)
            if d: put(d)
            else: want.remove(s)
' "$1" "$2" "$3" ;;
  perl) exec perl -e '
use Socket; my ($n, @a) = @ARGV; my $s; $| = 1;
sub fail { syswrite STDOUT, "-$_[0]"; exit 1 }
if ($n eq "unix") { socket($s, PF_UNIX, SOCK_STREAM, 0) && connect($s, pack_sockaddr_un($a[0])) or fail("$!") }
else { my ($e, @i) = Socket::getaddrinfo($a[0], $a[1], {socktype => SOCK_STREAM}); fail("$e") if $e; my $ok;
  for (@i) { socket($s, $_->{family}, SOCK_STREAM, 0) or next; if (connect($s, $_->{addr})) { $ok = 1; last } }
  fail("$!") unless $ok }
syswrite STDOUT, "+"; my $open = 1;
sub put { my ($f, $d) = @_; while (length $d) { my $k = syswrite($f, $d); exit 1 unless $k; substr($d, 0, $k) = "" } }
while (1) { my $r = ""; vec($r, fileno($s), 1) = 1; vec($r, 0, 1) = 1 if $open; select($r, undef, undef, undef);
  if ($open && vec($r, 0, 1)) { if (sysread(STDIN, my $d, 65536)) { put($s, $d) } else { $open = 0; shutdown($s, 1) } }
  if (vec($r, fileno($s), 1)) { sysread($s, my $d, 65536) or exit 0; put(\*STDOUT, $d) } }
' "$1" "$2" "$3" ;;
  socat)
    if [ "$1" = unix ]; then to="UNIX-CONNECT:$2"; else case $2 in *:*) to="TCP6:[$2]:$3" ;; *) to="TCP:$2:$3" ;; esac; fi
    why=$(socat -u /dev/null "$to" 2>&1) || { printf -- '-%s' "$why"; exit 1; }
    printf +
    exec socat -t 86400 - "$to" ;;
  nc)
    if [ "$1" = unix ]; then printf +; exec nc -U "$2"; fi
    why=$(nc -v -z -w 10 "$2" "$3" 2>&1) || { printf -- '-%s' "$why"; exit 1; }
    printf +
    exec nc "$2" "$3" ;;
  bash)
    [ "$1" = unix ] && continue
    exec bash -c 'why=$( (exec 3<>"/dev/tcp/$0/$1") 2>&1) || { printf -- "-%s" "$why"; exit 1; }
      exec 3<>"/dev/tcp/$0/$1" || exit; printf +; exec 4<&0; cat <&4 >&3 & cat <&3; kill $! 2>/dev/null' "$2" "$3" ;;
  esac
done
printf '!no helper'
exit 1
`

// helpers are the programs that can relay, the best first: the last ones pass on no half-closed
// connection.
const helpers = "python3 perl socat nc bash"

// relay connects by a helper program.
func (c *Conn) relay(ctx context.Context, network, addr string) (net.Conn, error) {
	host, port := addr, ""
	if network != "unix" {
		var err error
		if host, port, err = net.SplitHostPort(addr); err != nil {
			return nil, peerFault(addr, err.Error())
		}
	}
	run, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, cancel)
	p := newPipes()
	go func() {
		_, err := c.Script(run, relayScript, []string{network, host, port, helpers}, driver.Stdio{In: p.fromUs, Out: p.toUs})
		p.end(err)
	}()
	first, err := p.in.ReadByte()
	if err == nil && first == '+' && stop() {
		return newStream(p, p.out.Close, cancel), nil
	}
	said, _ := io.ReadAll(io.LimitReader(p.in, maxNoise))
	cancel()
	p.Close()
	switch {
	case err == nil && first == '-':
		return nil, peerFault(addr, string(said))
	case err == nil && first == '!':
		return nil, helperFault(network, string(said))
	case ctx.Err() != nil:
		return nil, timeFault(ctx)
	case fault.ReasonOf(err) != "":
		return nil, err
	}
	return nil, helperFault(network, strings.TrimSpace(string(first)+string(said)))
}

// pipes are both directions of a relay's standard input and output.
type pipes struct {
	in     *bufio.Reader // what the peer sends
	reader *io.PipeReader
	toUs   *io.PipeWriter
	fromUs *io.PipeReader
	out    *io.PipeWriter // what we send
	once   sync.Once
}

func newPipes() *pipes {
	p := &pipes{}
	p.reader, p.toUs = io.Pipe()
	p.fromUs, p.out = io.Pipe()
	p.in = bufio.NewReaderSize(p.reader, 16)
	return p
}

// end is called when the relay ended.
func (p *pipes) end(err error) {
	p.toUs.CloseWithError(err)
	p.fromUs.CloseWithError(io.ErrClosedPipe)
}

func (p *pipes) Read(b []byte) (int, error)  { return p.in.Read(b) }
func (p *pipes) Write(b []byte) (int, error) { return p.out.Write(b) }

func (p *pipes) Close() error {
	p.once.Do(func() {
		p.out.Close()
		p.reader.Close()
	})
	return nil
}
