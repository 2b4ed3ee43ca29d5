package shop

import (
	"log"
	"net/http"
	"os"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"
)

func calls(handler http.Handler) {
	// ruleid: go-http-without-timeout
	http.Get("https://example.com")
	// ruleid: go-http-without-timeout
	client := &http.Client{}
	// ok: go-http-without-timeout
	patient := &http.Client{Timeout: 10 * time.Second}
	// ruleid: go-http-without-timeout
	http.ListenAndServe(":8080", handler)
	// ok: go-http-without-timeout
	server := &http.Server{Addr: ":8080", ReadHeaderTimeout: 5 * time.Second}
	use(client, patient, server)
}

func channels(address string, secure credentials.TransportCredentials) {
	// ruleid: go-insecure-grpc
	grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	// ok: go-insecure-grpc
	grpc.NewClient("unix:/run/app.sock", grpc.WithTransportCredentials(insecure.NewCredentials()))
	// ok: go-insecure-grpc
	grpc.NewClient(address, grpc.WithTransportCredentials(secure))
}

func keep(w http.ResponseWriter, value string) {
	// ruleid: go-insecure-cookie
	http.SetCookie(w, &http.Cookie{Name: "session", Value: value})
	// ok: go-insecure-cookie
	http.SetCookie(w, &http.Cookie{Name: "session", Value: value, Secure: true, HttpOnly: true})
}

func permit(path string, data []byte) {
	// ruleid: go-open-permissions
	os.Chmod(path, 0o777)
	// ruleid: go-open-permissions
	os.WriteFile(path, data, 0666)
	// ok: go-open-permissions
	os.WriteFile(path, data, 0o600)
	// ok: go-open-permissions
	os.MkdirAll(path, os.ModePerm)
}

func connect(user string, password string, config Config) {
	// ruleid: go-logged-secret
	log.Printf("connecting as %s with %s", user, password)
	// ruleid: go-logged-secret
	log.Println("key", config.APIKey)
	// ok: go-logged-secret
	log.Printf("connecting as %s", user)
}
