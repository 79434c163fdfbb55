package storetest

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// filler gives every field of a value content of its own, so that a field that a store forgets is
// missed.
type filler int

func (f *filler) next() int { *f++; return int(*f) }

func filled[T any]() (v T) {
	new(filler).fill(reflect.ValueOf(&v).Elem())
	return v
}

func (f *filler) fill(v reflect.Value) {
	n := f.next()
	switch x := v.Addr().Interface().(type) {
	case *time.Time:
		*x = time.UnixMicro(1_700_000_000_000_000 + int64(n)).UTC()
		return
	case *json.RawMessage:
		*x = fmt.Appendf(nil, `{"n":%d}`, n)
		return
	case *map[string]any:
		*x = map[string]any{
			"text": "ü\n\"'", "whole": int64(1 << 60), "part": 0.5, "yes": true, "nothing": nil,
			"list": []any{int64(n), "b"}, "inner": map[string]any{"n": int64(n)},
		}
		return
	}
	switch v.Kind() {
	case reflect.String:
		v.SetString(fmt.Sprint("text ", n))
	case reflect.Int, reflect.Int64:
		v.SetInt(int64(n))
	case reflect.Uint8:
		v.SetUint(uint64(n % 256))
	case reflect.Float64:
		v.SetFloat(float64(n) + 0.25)
	case reflect.Bool:
		v.SetBool(true)
	case reflect.Interface: // an underlying error: not kept
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		f.fill(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			f.fill(v.Field(i))
		}
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 2, 2))
		for i := range 2 {
			f.fill(v.Index(i))
		}
	case reflect.Map:
		f.fillMap(v)
	default:
		panic("storetest cannot fill a " + v.Type().String())
	}
}

func (f *filler) fillMap(v reflect.Value) {
	v.Set(reflect.MakeMap(v.Type()))
	for range 2 {
		key, value := reflect.New(v.Type().Key()).Elem(), reflect.New(v.Type().Elem()).Elem()
		f.fill(key)
		f.fill(value)
		v.SetMapIndex(key, value)
	}
}
