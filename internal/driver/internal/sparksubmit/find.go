package sparksubmit

import (
	"context"
	_ "embed"
	"strings"
	"time"

	"github.com/zaffre-ml/zaffre/internal/driver/internal/hostagent"
	"github.com/zaffre-ml/zaffre/internal/fault"
)

var (
	//go:embed find.sh
	findScript string
	//go:embed application.sh
	applicationScript string
	//go:embed kill.sh
	killScript string
)

const (
	// foundFor is for how long it is believed where Spark is, and askEvery how often a log is looked at for its
	// application.
	foundFor = 5 * time.Minute
	askEvery = 3 * time.Second
	// maxApplications bounds what is remembered.
	maxApplications = 1000
)

// spark is where Spark is on the machine.
type spark struct {
	home, java string
	env        map[string]string // what it needs to be told
}

// application is what is known of a run's, and when it was looked for.
type application struct {
	id      string // "" while the log does not name it
	refused string // the queue for which YARN did not take it
	ended   bool   // it was looked for when the run had failed: the log says no more
	asked   time.Time
}

// finder looks for Spark, and for the applications of runs, and remembers both.
type finder struct {
	place hostagent.Place
	// The options.
	home, hadoop, java string
	gate               chan struct{} // held while the fields below are read or changed

	found        spark
	at           time.Time
	applications map[string]application
	seen         hostagent.Answer // what YARN said of the target's queue
	seenAt       time.Time
}

func newFinder(p hostagent.Place, home, hadoop, java string) *finder {
	return &finder{place: p, home: home, hadoop: hadoop, java: java, gate: make(chan struct{}, 1), applications: map[string]application{}}
}

func (f *finder) lock(ctx context.Context) (unlock func(), err error) {
	select {
	case f.gate <- struct{}{}:
		return func() { <-f.gate }, nil
	case <-ctx.Done():
		return nil, &fault.Error{
			Code: fault.Unavailable, Reason: "TimedOut", What: "the machine did not answer in time", Why: "the time for the operation ran out",
			Fix: "nothing: it is tried again; if it stays so, check the target", Err: context.Cause(ctx),
		}
	}
}

// spark returns where Spark is.
func (f *finder) spark(ctx context.Context) (spark, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return spark{}, err
	}
	defer unlock()
	if time.Since(f.at) < foundFor {
		return f.found, nil
	}
	a, err := f.place.Ask(ctx, findScript, f.home, f.hadoop, "", "", f.java)
	if err != nil {
		return spark{}, err
	}
	if err := checkSubmit(a.Facts); err != nil {
		return spark{}, err
	}
	if err := checkJava(a.Facts); err != nil {
		return spark{}, err
	}
	f.found, f.at = sparkOf(a.Facts), time.Now()
	return f.found, nil
}

func sparkOf(a hostagent.Facts) spark {
	s := spark{home: a.One["home"], java: a.One["java"], env: map[string]string{}}
	for key, v := range a.One {
		if name, ok := strings.CutPrefix(key, "env."); ok {
			s.env[name] = v
		}
	}
	s.env["SPARK_HOME"], s.env["JAVA_HOME"] = s.home, s.java
	return s
}

// application returns what a job's log says of its application; with ended, as the whole log says it.
func (f *finder) application(ctx context.Context, job string, ended bool) (application, error) {
	unlock, err := f.lock(ctx)
	if err != nil {
		return application{}, err
	}
	defer unlock()
	known := f.applications[job]
	if known.ended || !ended && (known.id != "" || time.Since(known.asked) < askEvery) {
		return known, nil
	}
	how := ""
	if ended {
		how = "ended"
	}
	a, err := f.place.Ask(ctx, applicationScript, f.place.ID, job, how)
	if err != nil {
		return application{}, err
	}
	if len(f.applications) >= maxApplications {
		clear(f.applications)
	}
	known = application{a.One["application"], a.One["refused"], ended, time.Now()}
	f.applications[job] = known
	return known, nil
}

// kill has YARN end an application, soon.
func (f *finder) kill(ctx context.Context, id string) error {
	s, err := f.spark(ctx)
	if err != nil {
		return err
	}
	_, err = f.place.Ask(ctx, killScript, id, s.home, s.java, s.env["HADOOP_CONF_DIR"], s.env["YARN_CONF_DIR"])
	return err
}
