package kubernetes

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/gorilla/websocket"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

// The protocol of exec over a WebSocket: each message starts with its channel. Version 5 can say that the standard input
// ends. Source: k8s.io/apimachinery/pkg/util/remotecommand.
const (
	execProtocol = "v5.channel.k8s.io"
	channelIn    = 0
	channelOut   = 1
	channelErr   = 2
	channelEnd   = 3
	channelClose = 255
)

const (
	execWithin = 20 * time.Second // until the command has begun
	maxMessage = 32 << 10         // of ours, with room for the channel
	readLimit  = 16 << 20         // of the server's
)

// podHost is the job's container in a pod, as a machine on which commands run. There is no more to it: the agent
// brings files and connections.
type podHost struct {
	*cluster
	pod   string
	began func() // the pod takes the command; nil: nobody wants to know
}

// Exec implements driver.Host.
func (p podHost) Exec(ctx context.Context, argv []string, std driver.Stdio) (exit int, err error) {
	ws, err := p.begin(ctx, argv, std)
	if err != nil {
		return 0, err
	}
	if p.began != nil {
		p.began()
	}
	defer ws.Close()
	defer context.AfterFunc(ctx, func() { _ = ws.Close() })()
	if std.In != nil {
		go feed(ws, std.In)
	}
	exit, err = p.follow(ws, std)
	if err != nil && fault.ReasonOf(err) == "" {
		err = p.unreached(ctx, err)
	}
	return exit, err
}

// begin asks for a command.
func (p podHost) begin(ctx context.Context, argv []string, std driver.Stdio) (*websocket.Conn, error) {
	q := url.Values{"container": {containerName}, "command": argv, "stdout": {"true"}, "stderr": {"true"}}
	if std.In != nil {
		q.Set("stdin", "true")
	}
	u := "wss" + strings.TrimPrefix(strings.TrimSuffix(p.server, "/"), "https") + "/api/v1/namespaces/" + p.namespace + "/pods/" + p.pod + "/exec?" + q.Encode()
	header := http.Header{"User-Agent": {manager}}
	if p.token != "" {
		header.Set("Authorization", "Bearer "+p.token)
	}
	d := &websocket.Dialer{
		TLSClientConfig: p.tls, HandshakeTimeout: execWithin, Subprotocols: []string{execProtocol}, NetDialContext: p.dial,
		WriteBufferSize: maxMessage + 1<<10, // each message in one frame: the API server takes the second for a message
	}
	if p.dial == nil {
		d.Proxy = http.ProxyFromEnvironment
	}
	dialing, cancel := context.WithTimeout(ctx, execWithin)
	defer cancel()
	ws, resp, err := d.DialContext(dialing, u, header)
	switch {
	case resp != nil && err != nil:
		return nil, p.asFault(ctx, refusal(resp))
	case err != nil:
		return nil, p.unreached(dialing, err)
	case ws.Subprotocol() != execProtocol:
		ws.Close()
		return nil, versionFault("it does not speak " + execProtocol)
	}
	ws.SetReadLimit(readLimit)
	return ws, nil
}

// feed sends what the command reads. Only it writes messages.
func feed(ws *websocket.Conn, in io.Reader) {
	buf := make([]byte, maxMessage)
	buf[0] = channelIn
	for {
		n, err := in.Read(buf[1:])
		if n > 0 && ws.WriteMessage(websocket.BinaryMessage, buf[:n+1]) != nil {
			return
		}
		if err != nil {
			_ = ws.WriteMessage(websocket.BinaryMessage, []byte{channelClose, channelIn})
			return
		}
	}
}

// follow takes what the command writes, until it ends.
func (p podHost) follow(ws *websocket.Conn, std driver.Stdio) (int, error) {
	for {
		_, r, err := ws.NextReader()
		if err != nil {
			return 0, err
		}
		var channel [1]byte
		if _, err := io.ReadFull(r, channel[:]); errors.Is(err, io.EOF) {
			continue
		} else if err != nil {
			return 0, err
		}
		to := io.Discard
		switch {
		case channel[0] == channelEnd:
			b, err := io.ReadAll(r)
			if err != nil {
				return 0, err
			}
			return p.ended(b)
		case channel[0] == channelOut && std.Out != nil:
			to = std.Out
		case channel[0] == channelErr && std.Err != nil:
			to = std.Err
		}
		if _, err := io.Copy(to, r); err != nil {
			return 0, err
		}
	}
}

// ended reads how a command ended.
func (p podHost) ended(b []byte) (int, error) {
	var st metav1.Status
	if err := json.Unmarshal(b, &st); err != nil {
		return 0, err
	}
	if st.Status == metav1.StatusSuccess {
		return 0, nil
	}
	if st.Reason == "NonZeroExitCode" && st.Details != nil {
		for _, c := range st.Details.Causes {
			if n, err := strconv.Atoi(c.Message); err == nil && c.Type == "ExitCode" {
				return n, nil
			}
		}
	}
	return 0, &fault.Error{
		Code: fault.Unavailable, Reason: "ExecFailed", What: "no command can be run in the pod " + p.pod, Why: "its node does not start it, or the pod has ended",
		Fix: "see how the pod is: kubectl -n " + p.namespace + " describe pod " + p.pod, Evidence: []string{st.Message},
	}
}

// Observe implements driver.Conn.
func (podHost) Observe(context.Context) (driver.Observation, error) {
	return driver.Observation{}, noHost()
}

// Close implements driver.Conn.
func (podHost) Close() error { return nil }

// FS implements driver.Host.
func (podHost) FS() driver.FS { return noFiles{} }

// Dial implements driver.Host.
func (podHost) Dial(context.Context, string, string) (net.Conn, error) { return nil, noHost() }

// noFiles are the files of a pod before its agent is there.
type noFiles struct{}

func (noFiles) OpenFile(context.Context, string, int64) (io.ReadCloser, error) { return nil, noHost() }

func (noFiles) WriteFile(context.Context, string, fs.FileMode, io.Reader) error {
	return noHost()
}
func (noFiles) ReadDir(context.Context, string) ([]fs.FileInfo, error) { return nil, noHost() }
func (noFiles) RemoveAll(context.Context, string) error                { return noHost() }

func noHost() error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "PodWithoutAgent", What: "this cannot be done in a pod", Why: "only commands run there before its agent does", Fix: "report it: the server should not have asked",
	}
}

func versionFault(why string) error {
	return &fault.Error{
		Code: fault.Unsupported, Reason: "ClusterTooOld", What: "the cluster takes no runs", Why: why, Fix: "bring it to Kubernetes 1.30 or newer",
	}
}
