package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
)

func present(key, val string) error {
	if val == "" {
		return fmt.Errorf("%s: is empty: set it", key)
	}
	return nil
}

func notNegative[N int | Duration](key string, n N) error {
	if n < 0 {
		return fmt.Errorf("%s: is %v: set 0 or more", key, n)
	}
	return nil
}

func port(key string, p Port) error {
	if p == 0 {
		return fmt.Errorf("%s: is 0: set the port of the server", key)
	}
	return nil
}

func positive(key string, d Duration) error {
	if d <= 0 {
		return fmt.Errorf("%s: is %v: set a time above 0, such as 5s", key, d)
	}
	return nil
}

func addresses(key string, list []string) error {
	var errs []error
	for _, addr := range list {
		host, port, err := net.SplitHostPort(addr)
		if err == nil {
			_, err = strconv.ParseUint(port, 10, 16)
		}
		if err != nil || host == "" {
			errs = append(errs, fmt.Errorf("%s: %q is not host:port", key, addr))
		}
	}
	return errors.Join(errs...)
}
