package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/google/uuid"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/api/httpx"
	"github.com/zaffre-ml/zaffre/internal/api/login"
	"github.com/zaffre-ml/zaffre/internal/api/native"
	"github.com/zaffre-ml/zaffre/internal/blob"
	"github.com/zaffre-ml/zaffre/internal/compute"
	"github.com/zaffre-ml/zaffre/internal/config"
	"github.com/zaffre-ml/zaffre/internal/driver"
	"github.com/zaffre-ml/zaffre/internal/environment"
	"github.com/zaffre-ml/zaffre/internal/event"
	"github.com/zaffre-ml/zaffre/internal/fault"
	"github.com/zaffre-ml/zaffre/internal/identity"
	"github.com/zaffre-ml/zaffre/internal/image"
	"github.com/zaffre-ml/zaffre/internal/inventory"
	"github.com/zaffre-ml/zaffre/internal/metric"
	"github.com/zaffre-ml/zaffre/internal/model"
	"github.com/zaffre-ml/zaffre/internal/reconcile"
	"github.com/zaffre-ml/zaffre/internal/run"
	"github.com/zaffre-ml/zaffre/internal/secret"
	"github.com/zaffre-ml/zaffre/internal/snapshot"
	"github.com/zaffre-ml/zaffre/internal/store"
	"github.com/zaffre-ml/zaffre/internal/store/sqlstore"
	"github.com/zaffre-ml/zaffre/internal/workspace"
)

// Names in the data folder.
const (
	databaseFile = "zaffre.db"
	keyFile      = "keys.json"
	blobDir      = "blobs"
	toolsDir     = "tools" // what machines are given that lack it
)

// server is everything that runs, put together.
type server struct {
	cfg       config.Config
	place     place
	kinds     []driver.Kind
	log       *slog.Logger
	started   time.Time
	url       string   // as clients on this machine reach it
	hosts     []string // HOST:PORT by which clients may know it
	id        string   // of the installation
	home      *home    // where the processes of runs reach the server
	stopping  chan struct{}
	requests  gate
	looping   atomic.Bool
	db        *sqlstore.DB
	keys      *secret.Keyring
	blobs     blob.Store
	snapshots *snapshot.Blobs
	authority *authority
	metrics   *metrics
	loop      *reconcile.Loop

	identity     *identity.Service
	login        *login.Service
	workspaces   *workspace.Service
	vault        *workspace.Vault
	computes     *compute.Service
	inventory    *inventory.Service
	environments *environment.Service
	runs         *run.Service
	models       *model.Service
	images       *image.Service
	events       *event.Service
}

// open puts the server together and does what its first start needs. All of it may be repeated.
func open(ctx context.Context, cfg config.Config, p place, addr net.Addr, log *slog.Logger, opt Options, started time.Time) (_ *server, err error) {
	s := &server{kinds: opt.Kinds, cfg: cfg, place: p, log: log, started: started, url: localURL(addr), hosts: hostsOf(addr.String(), cfg.TLSNames), home: newHome(), stopping: make(chan struct{})}
	if s.authority, err = openAuthority(p.data, certNames(addr.String(), cfg.TLSNames), time.Now); err != nil {
		return nil, err
	}
	// The login is written after the keys: where there is one, lost keys are not made anew in silence.
	_, loginErr := os.Stat(p.profile)
	if s.keys, err = secret.OpenKeyring(filepath.Join(p.data, keyFile), errors.Is(loginErr, fs.ErrNotExist)); err != nil {
		return nil, err
	}
	if s.blobs, err = blob.NewDir(filepath.Join(p.data, blobDir)); err != nil {
		return nil, err
	}
	s.db, err = sqlstore.OpenWith(ctx, databaseURL(cfg, p.data), log, sqlstore.Options{NoSync: cfg.Ephemeral})
	if err != nil {
		return nil, err
	}
	cloud, err := openAzure(cfg)
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	if s.id, err = s.installation(ctx); err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	restored, err := s.restored(ctx)
	if err != nil {
		return nil, errors.Join(err, s.db.Close())
	}
	s.assemble(cloud, restored, s.searching(ctx))
	if err := s.first(ctx); err != nil {
		return nil, errors.Join(err, s.close())
	}
	return s, nil
}

// assemble makes the services. Nothing runs yet.
func (s *server) assemble(cloud inventory.Azure, restored time.Time, searching bool) {
	s.snapshots = snapshot.New(s.blobs, snapshot.Limits{Bytes: s.cfg.SnapshotLimit})
	s.workspaces = workspace.New(s.db.Workspaces(), s.db.LinkedServices())
	s.vault = workspace.NewVault(s.db.Vault(), s.keys)
	s.identity = identity.New(identity.Config{Tokens: s.db.Tokens(), Principals: s.db.Principals(), HasWorkspace: s.workspaces.Exists, RunOwner: s.runOwner})
	s.events = event.New(s.db)
	s.inventory = inventory.New(inventory.Config{
		Entries: s.db.Inventory(), Box: s.keys, Azure: cloud,
		Changed: func(ctx context.Context, ws, resource string) { s.computes.Reconsider(ctx, ws, resource) },
	})
	s.computes = compute.New(compute.Config{
		Targets: s.db.Targets(), Box: s.keys, Kinds: s.kinds, Log: s.log, Inventory: s.inventory, Home: s.home.Dial, Tools: filepath.Join(s.place.data, toolsDir),
		Installation: s.id,
		Images:       func(ws, target string) driver.Images { return s.images.For(ws, target) },
		InUse:        func(ctx context.Context, k store.Key) (int, error) { return s.runs.Active(ctx, k) },
	})
	s.environments = environment.New(environment.Config{
		Environments: s.db.Environments(), Builds: s.db.Builds(), Computes: s.computes, Blobs: s.blobs, Log: s.log,
	})
	s.runs = run.New(run.Config{
		Runs: s.db.Runs(), Experiments: s.db.Experiments(), Codes: s.db.Codes(), Artifacts: s.db.Artifacts(), Claims: s.db, Queue: s.db, Events: s.db,
		Metrics:  s.db.Metrics(metric.Limits{}),
		Computes: s.computes, Environments: s.environments, Snapshots: s.snapshots, Blobs: s.blobs, Log: s.log,
		Reach: s.reach, Restored: restored, Searching: searching,
	})
	s.models = s.newModels()
	s.images = s.newImages()
	s.metrics = newMetrics(s.db)
	// A step on a target that is away waits for as long as a connection may take to be made, or a call to be answered. With
	// so many workers hundreds of such targets, and the runs on them, leave some for those that are there.
	s.loop = reconcile.New(s.db, s.log, map[string]reconcile.Worker{
		compute.WorkKind:      {Func: s.metrics.count(compute.WorkKind, s.computes.Reconcile), N: 64},
		compute.PlacementKind: {Func: s.metrics.count(compute.PlacementKind, s.runs.Place), N: 4},
		environment.WorkKind:  {Func: s.metrics.count(environment.WorkKind, s.environments.Reconcile), N: 4},
		run.WorkKind:          {Func: s.metrics.count(run.WorkKind, s.runs.Reconcile), N: 128},
	})
}

// close ends what runs in the background and closes the database.
func (s *server) close() error {
	s.runs.Close()
	s.images.Close()
	s.cleanServerTarget()
	s.computes.Close()
	return s.db.Close()
}

// first does what a start needs: the default workspace, the entries of the configuration file, the target
// "server", and the login of this machine.
func (s *server) first(ctx context.Context) (err error) {
	ctx = identity.System(ctx)
	if s.login, err = s.openLogin(ctx); err != nil {
		return err
	}
	if s.images.Key, err = s.derived("zaffre/image/pull"); err != nil {
		return err
	}
	if _, err := s.workspaces.EnsureDefault(ctx); err != nil {
		return err
	}
	if err := s.declareInventory(ctx); err != nil {
		return err
	}
	if err := s.ensureServerTarget(ctx); err != nil {
		return err
	}
	return s.ensureLogin(ctx)
}

func (s *server) installation(ctx context.Context) (string, error) {
	const name = "installation.id"
	id, err := s.db.Setting(ctx, name)
	if fault.CodeOf(err) != fault.NotFound {
		return id, err
	}
	id = uuid.NewString()
	return id, s.db.SetSetting(ctx, name, id)
}

// handler is everything that the server answers.
func (s *server) handler() http.Handler {
	mux := http.NewServeMux()
	api := native.New(native.Deps{
		Identity: s.identity, Workspaces: s.workspaces, Vault: s.vault, Inventory: s.inventory, Computes: s.computes, Environments: s.environments, Runs: s.runs, Models: s.models, Images: s.images, Hosts: s.hosts,
		Events: s.events, Snapshots: s.snapshots, BodyLimit: s.cfg.BodyLimit, SnapshotMax: s.cfg.SnapshotLimit, Stopping: s.stopping, Azure: s.azure(),
		Server: client.Server{Version: Version(), ID: s.id, Started: s.started.UTC(), Ephemeral: s.cfg.Ephemeral, Database: s.db.Engine()},
	})
	mux.Handle(native.Prefix+"/", api)
	mux.Handle("GET /openapi.json", api)
	mux.Handle("GET /openapi.yaml", api)
	mux.HandleFunc("GET /healthz", s.healthz)
	mux.HandleFunc("GET /readyz", s.readyz)
	mux.Handle("GET /metrics", s.guardMetrics(s.metrics.handler()))
	return httpx.Chain(s.faces(httpx.Route(mux, http.HandlerFunc(native.NotFound))),
		httpx.Requests(s.log, writeFault, s.metrics.request), s.admit, httpx.Deadline(answerWithin))
}

func (s *server) tlsConfig() *tls.Config {
	return &tls.Config{GetCertificate: s.authority.certificate, MinVersion: tls.VersionTLS12}
}

func databaseURL(cfg config.Config, data string) string {
	if cfg.Database != "" && !cfg.Ephemeral {
		return cfg.Database
	}
	return "sqlite:" + filepath.Join(data, databaseFile)
}

// localURL is how clients on this machine reach the address.
func localURL(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return "https://" + addr.String()
	}
	if ip := net.ParseIP(host); ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return "https://" + net.JoinHostPort(host, port)
}

// announce says how to reach the server.
func (s *server) announce(out io.Writer) {
	fmt.Fprintf(out, "zaffre is ready at %s\n", s.url)
	fmt.Fprintf(out, "  data folder  %s\n  CA           %s\n  login        %s\n", s.place.data, s.authority.file, s.place.profile)
	fmt.Fprintln(out, "On this machine the CLI needs no login:")
	if s.cfg.Ephemeral || s.cfg.Given("data") {
		fmt.Fprintf(out, "  export ZAFFRE_DATA=%s\n", filepath.Dir(s.place.profile))
	}
	fmt.Fprintln(out, "  zaffre status\n  zaffre run submit --follow SCRIPT")
	fmt.Fprintf(out, "Elsewhere: zaffre token create --role Contributor --workspace %s NAME, then zaffre login %s\n", workspace.Default, s.url)
}
