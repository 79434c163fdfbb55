package lab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CanJump reports whether clocks can be set here.
const CanJump = true

// jumper is what a process's clock_gettime becomes: it asks the kernel, and adds seconds to CLOCK_REALTIME, which is
// clock 0. The seconds follow at jumperSeconds.
var jumper = []byte{
	0xb8, 0xe4, 0x00, 0x00, 0x00, // mov eax, 228: clock_gettime
	0x0f, 0x05, // syscall
	0x85, 0xff, // test edi, edi
	0x75, 0x0d, // jne to the end
	0x48, 0xb9, 0, 0, 0, 0, 0, 0, 0, 0, // mov rcx, seconds
	0x48, 0x01, 0x0e, // add [rsi], rcx
	0xc3, // ret
}

const jumperSeconds = 13

// Jump sets the wall clock of a process off from the machine's by d, in whole seconds: as after a step of NTP, or on a
// machine that was suspended. The clock that measures durations does not jump. A static Go program takes the time from
// the page of code that the kernel maps into it (vDSO), where no LD_PRELOAD reaches and no time namespace sets the wall
// clock, so that page is what is changed, in this process alone. A program that it starts has the true time.
func Jump(pid int, d time.Duration) error {
	v, err := openVDSO(pid)
	if err != nil {
		return fmt.Errorf("set the clock of process %d: %w", pid, err)
	}
	defer v.mem.Close()
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return err
	}
	defer func() { _ = syscall.Kill(pid, syscall.SIGCONT) }()
	code := bytes.Clone(jumper)
	binary.LittleEndian.PutUint64(code[jumperSeconds:], uint64(int64(d/time.Second)))
	if _, err := v.mem.WriteAt(code, int64(v.base+v.spare)); err != nil {
		return fmt.Errorf("set the clock of process %d: %w", pid, err)
	}
	to := make([]byte, 5)
	to[0] = 0xe9 // jmp
	binary.LittleEndian.PutUint32(to[1:], uint32(v.spare-v.clock-5))
	_, err = v.mem.WriteAt(to, int64(v.base+v.clock))
	return err
}

// vdso is the kernel's page of code in a process.
type vdso struct {
	mem                *os.File
	base, clock, spare uint64 // clock and spare are offsets: of clock_gettime, and of room for our own code
}

func openVDSO(pid int) (v vdso, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return v, err
	}
	var size uint64
	for line := range strings.Lines(string(maps)) {
		if strings.HasSuffix(strings.TrimSpace(line), "[vdso]") {
			from, rest, _ := strings.Cut(line, "-")
			to, _, _ := strings.Cut(rest, " ")
			v.base, _ = strconv.ParseUint(from, 16, 64)
			end, _ := strconv.ParseUint(to, 16, 64)
			size = end - v.base
		}
	}
	if size == 0 {
		return v, errors.New("it has no vDSO")
	}
	if v.mem, err = os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0); err != nil {
		return v, err
	}
	b := make([]byte, size)
	if _, err = v.mem.ReadAt(b, int64(v.base)); err == nil {
		err = v.find(b)
	}
	if err != nil {
		v.mem.Close()
	}
	return v, err
}

// find finds the function, and room at the end of the page.
func (v *vdso) find(b []byte) error {
	f, err := elf.NewFile(bytes.NewReader(b))
	if err != nil {
		return err
	}
	list, err := f.DynamicSymbols()
	if err != nil {
		return err
	}
	for _, s := range list {
		if s.Name == "__vdso_clock_gettime" {
			v.clock = s.Value
		}
	}
	v.spare = uint64(len(b) - 32)
	if v.clock == 0 {
		return errors.New("its vDSO has no clock_gettime")
	}
	if room := b[v.spare : v.spare+uint64(len(jumper))]; !bytes.Equal(room, make([]byte, len(jumper))) && room[0] != jumper[0] {
		return errors.New("its vDSO has no room")
	}
	return nil
}
