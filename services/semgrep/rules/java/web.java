package shop;

import java.io.File;
import java.net.http.HttpClient;
import java.nio.file.Files;
import java.time.Duration;
import javax.servlet.http.*;
import org.slf4j.Logger;

class Front {
    private static final Logger log = LoggerFactory.getLogger(Front.class);

    void protect(HttpSecurity http, CorsRegistry registry) throws Exception {
        // ruleid: java-csrf-off
        http.csrf(csrf -> csrf.disable());
        // ok: java-csrf-off
        http.csrf(csrf -> csrf.csrfTokenRepository(repository));
        // ruleid: java-cors-any-origin
        registry.addMapping("/**").allowedOrigins("*");
        // ok: java-cors-any-origin
        registry.addMapping("/**").allowedOrigins("https://app.example.com");
    }

    void keep(HttpServletResponse response, String value) {
        Cookie cookie = new Cookie("session", value);
        // ruleid: java-bare-cookie
        response.addCookie(cookie);
    }

    void keepForScripts(HttpServletResponse response, String value) {
        Cookie cookie = new Cookie("session", value);
        cookie.setSecure(true);
        // ruleid: java-insecure-cookie
        cookie.setHttpOnly(false);
        response.addCookie(cookie);
    }

    void keepCarefully(HttpServletResponse response, String value) {
        Cookie cookie = new Cookie("session", value);
        cookie.setSecure(true);
        // ok: java-insecure-cookie
        cookie.setHttpOnly(true);
        // ok: java-bare-cookie
        response.addCookie(cookie);
    }

    void call() throws Exception {
        // ruleid: java-request-without-timeout
        HttpClient first = HttpClient.newHttpClient();
        // ruleid: java-request-without-timeout
        HttpClient second = HttpClient.newBuilder().followRedirects(HttpClient.Redirect.NEVER).build();
        // ok: java-request-without-timeout
        HttpClient third = HttpClient.newBuilder().connectTimeout(Duration.ofSeconds(5)).build();
        // ruleid: java-shared-temporary-path
        File.createTempFile("report", ".txt");
        // ok: java-shared-temporary-path
        Files.createTempFile("report", ".txt");
    }

    void connect(String user, String password, Settings settings) {
        // ruleid: java-logged-secret
        log.info("connecting as {} with {}", user, password);
        // ruleid: java-logged-secret
        log.debug("key {}", settings.getApiKey());
        // ok: java-logged-secret
        log.info("connecting as {}", user);
    }
}
