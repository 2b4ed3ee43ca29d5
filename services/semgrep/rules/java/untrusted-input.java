package shop;

import java.io.*;
import java.net.URL;
import java.nio.file.*;
import java.sql.*;
import javax.naming.directory.DirContext;
import javax.servlet.http.*;
import javax.xml.xpath.XPath;
import org.owasp.encoder.Encode;
import org.slf4j.Logger;
import org.springframework.expression.ExpressionParser;
import org.springframework.jdbc.core.JdbcTemplate;
import org.springframework.web.bind.annotation.*;
import org.springframework.web.client.RestTemplate;

class Shop extends HttpServlet {
    private static final Logger log = LoggerFactory.getLogger(Shop.class);
    private JdbcTemplate jdbc;

    void users(HttpServletRequest request, Connection connection) throws Exception {
        String name = request.getParameter("name");
        Statement statement = connection.createStatement();
        // ruleid: java-sql-injection
        statement.executeQuery("SELECT * FROM users WHERE name = '" + name + "'");
        String query = String.format("SELECT * FROM users WHERE name = '%s'", name);
        // ruleid: java-sql-injection
        connection.prepareStatement(query);
        // ok: java-sql-injection
        PreparedStatement prepared = connection.prepareStatement("SELECT * FROM users WHERE name = ?");
        prepared.setString(1, name);
        int limit = Integer.parseInt(request.getParameter("limit"));
        // ok: java-sql-injection
        statement.executeQuery("SELECT * FROM users LIMIT " + limit);
    }

    @GetMapping("/orders")
    List<Order> orders(@RequestParam String by, @RequestParam("limit") int limit) {
        // ruleid: java-sql-injection
        jdbc.query("SELECT * FROM orders ORDER BY " + by, mapper);
        // ok: java-sql-injection
        super.execute(by);
        // ok: java-sql-injection
        jdbc.query("SELECT * FROM orders LIMIT " + limit, mapper);
        // ok: java-sql-injection
        return jdbc.query("SELECT * FROM orders WHERE name = ?", mapper, by);
    }

    void ping(HttpServletRequest request) throws Exception {
        String host = request.getParameter("host");
        // ruleid: java-command-injection
        Runtime.getRuntime().exec("ping -c 1 " + host);
        // ruleid: java-command-injection
        new ProcessBuilder("sh", "-c", "ping -c 1 " + host).start();
        // ok: java-command-injection
        new ProcessBuilder("ping", "-c", "1", "--", host).start();
    }

    void calculate(HttpServletRequest request, ExpressionParser parser) {
        // ruleid: java-expression-injection
        parser.parseExpression(request.getParameter("expression")).getValue();
        // ok: java-expression-injection
        parser.parseExpression("price * 2").getValue(request.getParameter("price"));
    }

    void findPerson(HttpServletRequest request, DirContext context) throws Exception {
        String name = request.getParameter("name");
        // ruleid: java-ldap-injection
        context.search("ou=people", "(uid=" + name + ")", controls);
        // ok: java-ldap-injection
        context.search("ou=people", "(uid={0})", new Object[] {name}, controls);
    }

    void findBook(HttpServletRequest request, XPath xpath) throws Exception {
        String title = request.getParameter("title");
        // ruleid: java-xpath-injection
        xpath.evaluate("//book[title='" + title + "']", document);
        // ok: java-xpath-injection
        xpath.evaluate("//book[title=$title]", document);
    }

    @GetMapping("/files/{name}")
    byte[] file(@PathVariable("name") String name, @PathVariable("id") long id) throws Exception {
        // ruleid: java-path-traversal
        new FileInputStream("/srv/files/" + name);
        // ruleid: java-path-traversal
        Files.readAllBytes(Paths.get("/srv/files", name));
        // ok: java-path-traversal
        new FileInputStream("/srv/files/" + FilenameUtils.getName(name));
        // ok: java-path-traversal
        return Files.readAllBytes(Paths.get("/srv/files", id + ".pdf"));
    }

    @PostMapping("/preview")
    String preview(@RequestParam String url, RestTemplate rest) throws Exception {
        // ruleid: java-ssrf
        new URL(url).openStream();
        // ruleid: java-ssrf
        rest.getForObject("http://" + url + "/status", String.class);
        // ok: java-ssrf
        return rest.getForObject("https://api.example.com/pages/{page}", String.class, url);
    }

    void leave(HttpServletRequest request, HttpServletResponse response) throws Exception {
        // ruleid: java-open-redirect
        response.sendRedirect(request.getParameter("to"));
        // ok: java-open-redirect
        response.sendRedirect("/pages/" + request.getParameter("page"));
    }

    void hello(HttpServletRequest request, HttpServletResponse response) throws Exception {
        String name = request.getParameter("name");
        // ruleid: java-reflected-xss
        response.getWriter().println("<p>Hello " + name + "</p>");
        // ok: java-reflected-xss
        response.getWriter().println("<p>Hello " + Encode.forHtml(name) + "</p>");
        PrintWriter writer = response.getWriter();
        // ruleid: java-reflected-xss
        writer.write("<p>Hello " + name + "</p>");
        // ruleid: java-log-injection
        log.info("hello to {}", name);
        // ok: java-log-injection
        log.info("hello to {}", name.replaceAll("[\r\n]", "_"));
    }

    Object restore(InputStream input) throws Exception {
        ObjectInputStream stream = new ObjectInputStream(input);
        // ruleid: java-deserialization
        return stream.readObject();
    }

    Object restoreListed(InputStream input) throws Exception {
        ObjectInputStream stream = new ObjectInputStream(input);
        stream.setObjectInputFilter(ObjectInputFilter.Config.createFilter("shop.*;!*"));
        // ok: java-deserialization
        return stream.readObject();
    }
}
