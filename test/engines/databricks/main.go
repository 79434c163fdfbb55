// Command databricks is a contract simulator of a Databricks workspace: it takes what the official Go client's
// types take, refuses every other field, and really runs Python files, notebooks and JARs on this machine.
// It is no Databricks: it was written from the clients and the documentation.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "where to listen")
	dir := flag.String("dir", "", "folder for what it keeps; it must exist")
	token := flag.String("token", "dapi-simulated", "the access token that is taken")
	pip := flag.String("pip", "", "Python with pip, for libraries; by default they are refused")
	flag.Parse()
	if err := serve(*listen, newWorkspace(*dir, *token, *pip)); err != nil {
		log.Fatal(err)
	}
}

// serve answers until it is told to end. Its first line says where it listens.
func serve(listen string, w *workspaceSim) error {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	l, err := new(net.ListenConfig).Listen(ctx, "tcp", listen)
	if err != nil {
		return err
	}
	fmt.Printf("http://%s\n", l.Addr())
	srv := &http.Server{Handler: w, ReadHeaderTimeout: time.Minute}
	go func() {
		<-ctx.Done()
		srv.Close()
	}()
	if err := srv.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	w.killAll()
	return nil
}
