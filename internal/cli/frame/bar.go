package frame

import (
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
)

// Bar shows how far a transfer is, if Stderr is a terminal. The zero value shows nothing.
type Bar struct {
	all *mpb.Progress
	bar *mpb.Bar
	at  atomic.Int64
}

// Bar starts a bar with a title of the catalogue. End it with Done.
func (a *App) Bar(title string, total int64) *Bar {
	if total == 0 || !IsTerminal(a.Stderr) {
		return &Bar{}
	}
	out := a.Stderr
	if l, ok := out.(*locked); ok {
		out = l.w // the terminal itself, whose width the bar asks for
	}
	b := &Bar{all: mpb.New(mpb.WithOutput(out), mpb.WithWidth(40))}
	b.bar = b.all.AddBar(total,
		mpb.BarRemoveOnComplete(),
		mpb.PrependDecorators(decor.Name(a.Say(title)+" ")),
		mpb.AppendDecorators(decor.CountersKiloByte("% .1f / % .1f"), decor.Name(" "), decor.AverageSpeed(decor.SizeB1000(0), "% .1f")))
	return b
}

// Add says that more bytes have come.
func (b *Bar) Add(more int64) { b.Set(b.at.Add(more)) }

// Set says how many bytes there are.
func (b *Bar) Set(at int64) {
	b.at.Store(at)
	if b.bar != nil {
		b.bar.SetCurrent(at)
	}
}

// Shown reports whether there is a bar.
func (b *Bar) Shown() bool { return b.bar != nil }

// Done takes the bar away.
func (b *Bar) Done() {
	if b.bar != nil {
		b.bar.Abort(true)
		b.all.Wait()
	}
}
