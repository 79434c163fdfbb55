package run

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"github.com/zaffre-ml/zaffre/client"
	"github.com/zaffre-ml/zaffre/internal/cli/frame"
)

func logs(a *frame.App) *cobra.Command {
	follow := false
	var o client.LogOptions
	cmd := a.Command("run.logs", "logs [-f] [--attempt N] RUN", cobra.ExactArgs(1), func(cmd *cobra.Command, args []string) error {
		s, err := a.Connect()
		if err != nil {
			return err
		}
		r, err := resolve(cmd.Context(), a, s, args[0])
		if err != nil {
			return err
		}
		if follow {
			return s.FollowRunLog(cmd.Context(), s.WS, r.ID, o, func(text string) error {
				_, err := io.WriteString(a.Stdout, text)
				return err
			})
		}
		return copyLog(cmd.Context(), a, s, r.ID, o)
	})
	f := cmd.Flags()
	f.BoolVarP(&follow, "follow", "f", false, a.Say("flag.logs.follow"))
	f.IntVar(&o.Attempt, "attempt", 0, a.Say("flag.logs.attempt"))
	f.Int64Var(&o.Offset, "offset", 0, a.Say("flag.logs.offset"))
	cmd.ValidArgsFunction = frame.Names(a.RunNames)
	return cmd
}

// copyLog writes the log as it is now: its bytes and nothing else. It goes on where the connection
// broke.
func copyLog(ctx context.Context, a *frame.App, s *frame.Session, id string, o client.LogOptions) error {
	for try := 0; ; try++ {
		log, err := s.RunLog(ctx, s.WS, id, o)
		if err != nil {
			return err
		}
		n, err := io.Copy(a.Stdout, log)
		log.Close()
		o.Offset += n
		if err == nil || ctx.Err() != nil || n == 0 && try > 3 {
			return err
		}
	}
}
