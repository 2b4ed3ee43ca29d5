package shop;

import java.io.*;
import java.nio.file.*;
import java.security.*;
import java.sql.*;
import java.util.Random;
import java.util.zip.*;
import javax.crypto.Cipher;
import javax.crypto.spec.*;
import javax.net.ssl.*;
import javax.xml.parsers.*;
import com.auth0.jwt.JWT;
import com.auth0.jwt.algorithms.Algorithm;

class Office {
    // ruleid: java-constant-password
    private static final String API_KEY = "h7Gq2-zzK1";
    // ok: java-constant-password
    private static final String PASSWORD_LABEL = "h7Gq2-zzK1";
    // ok: java-constant-password
    private final String dbPassword = System.getenv("DB_PASSWORD");

    void rows(Statement statement, Connection connection, String table, String name) throws Exception {
        // ruleid: java-sql-from-parts
        statement.executeQuery("SELECT * FROM " + table);
        String query = String.format("DELETE FROM users WHERE name = '%s'", name);
        // ruleid: java-sql-from-parts
        statement.executeUpdate(query);
        // ok: java-sql-from-parts
        connection.prepareStatement("SELECT * FROM users " + "WHERE name = ?");
        // ruleid: java-constant-password
        DriverManager.getConnection("jdbc:postgresql://db/shop", "shop", "h7Gq2-zzK1");
        // ok: java-constant-password
        DriverManager.getConnection("jdbc:postgresql://db/shop", "shop", dbPassword);
    }

    void archive(String path) throws Exception {
        // ruleid: java-shell-command
        Runtime.getRuntime().exec("tar -cf out.tar " + path);
        // ruleid: java-shell-command
        new ProcessBuilder("sh", "-c", "tar -cf out.tar " + path).start();
        // ok: java-shell-command
        Runtime.getRuntime().exec(new String[] {"tar", "-cf", "out.tar", path});
        // ok: java-shell-command
        new ProcessBuilder("tar", "-cf", "out.tar", path).start();
    }

    Document read(File file) throws Exception {
        // ruleid: java-xml-entities
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        return factory.newDocumentBuilder().parse(file);
    }

    Document readCarefully(File file) throws Exception {
        // ok: java-xml-entities
        DocumentBuilderFactory factory = DocumentBuilderFactory.newInstance();
        factory.setFeature("http://apache.org/xml/features/disallow-doctype-decl", true);
        return factory.newDocumentBuilder().parse(file);
    }

    void unpack(ZipInputStream archive, File folder) throws Exception {
        ZipEntry entry = archive.getNextEntry();
        // ruleid: java-archive-traversal
        File target = new File(folder, entry.getName());
        // ruleid: java-archive-traversal
        Files.copy(archive, target.toPath());
    }

    void unpackCarefully(ZipInputStream archive, Path folder) throws Exception {
        ZipEntry entry = archive.getNextEntry();
        Path target = folder.resolve(entry.getName()).normalize();
        if (!target.startsWith(folder)) {
            throw new IOException("outside");
        }
        // ok: java-archive-traversal
        Files.copy(archive, target);
    }

    void ciphers(byte[] key, byte[] content) throws Exception {
        // ruleid: java-weak-hash
        MessageDigest.getInstance("MD5");
        // ok: java-weak-hash
        MessageDigest.getInstance("SHA-256");
        // ruleid: java-weak-cipher
        Cipher.getInstance("DES/CBC/PKCS5Padding");
        // ruleid: java-weak-cipher
        Cipher.getInstance("AES");
        // ok: java-weak-cipher
        Cipher.getInstance("AES/GCM/NoPadding");
        // ruleid: java-constant-iv
        new IvParameterSpec("0123456789abcdef".getBytes());
        byte[] iv = new byte[12];
        new SecureRandom().nextBytes(iv);
        // ok: java-constant-iv
        new GCMParameterSpec(128, iv);
        // ruleid: java-constant-key
        new SecretKeySpec("0123456789abcdef".getBytes(), "AES");
        // ruleid: java-constant-key
        Algorithm.HMAC256("kq83-Jd02-lmQ9");
        // ok: java-constant-key
        new SecretKeySpec(key, "AES");
        KeyPair pair = KeyPairGenerator.getInstance("RSA").generateKeyPair();
        // ok: java-constant-key
        builder.signWith(SignatureAlgorithm.RS256, pair.getPrivate());
        // ok: java-constant-key
        Algorithm.HMAC256(System.getenv("JWT_KEY"));
    }

    void secrets(Random random, SecureRandom secure) {
        // ruleid: java-guessable-secret
        String resetToken = Long.toHexString(random.nextLong());
        // ruleid: java-guessable-secret
        int otp = (int) (Math.random() * 1000000);
        // ok: java-guessable-secret
        int colour = random.nextInt(16);
        // ok: java-guessable-secret
        String sessionId = Long.toHexString(secure.nextLong());
    }

    void transport(HttpsURLConnection connection, SSLSocket socket) throws Exception {
        // ruleid: java-tls-not-verified
        connection.setHostnameVerifier((host, session) -> true);
        // ok: java-tls-not-verified
        connection.setHostnameVerifier((host, session) -> host.equals("db.example.com"));
        // ruleid: java-old-tls
        SSLContext.getInstance("TLSv1.2");
        // ruleid: java-old-tls-allowed
        socket.setEnabledProtocols(new String[] {"TLSv1.1", "TLSv1.2"});
        // ok: java-old-tls-allowed
        socket.setEnabledProtocols(new String[] {"TLSv1.2", "TLSv1.3"});
        // ok: java-old-tls
        SSLContext.getInstance("TLSv1.3");
        KeyPairGenerator generator = KeyPairGenerator.getInstance("RSA");
        // ruleid: java-small-key
        generator.initialize(3072);
        // ok: java-small-key
        generator.initialize(3072);
    }

    static class Trusting implements X509TrustManager {
        // ruleid: java-tls-not-verified
        public void checkServerTrusted(X509Certificate[] chain, String type) {
        }
    }

    String whoIs(String token) {
        // ruleid: java-jwt-not-verified
        return JWT.decode(token).getSubject();
    }

    String whoIsReally(String token, Algorithm algorithm) {
        // ok: java-jwt-not-verified
        return JWT.require(algorithm).build().verify(token).getSubject();
    }
}
