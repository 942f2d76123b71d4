// Ask for a list, read the answer, take the file (`ask COMMUNE`); verify a webhook (`verify ID TIMESTAMP SIGNATURE`).
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import com.rabbitmq.client.GetResponse;
import com.rabbitmq.tools.json.JSONReader;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.time.Instant;
import java.util.Arrays;
import java.util.Base64;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import javax.crypto.Mac;
import javax.crypto.spec.SecretKeySpec;

public class Client {
    static final String TYPE = "fr.openelec.prefecture.request.liste_export.v1";

    public static void main(String[] arguments) throws Exception {
        if (arguments[0].equals("ask")) {
            ask(arguments[1]);
        } else {
            verify(arguments[1], arguments[2], arguments[3]);
        }
    }

    static boolean followsSchema(String event) throws Exception {
        Path file = Files.createTempFile("event", ".json");
        Files.writeString(file, event);
        String[] command = {"check-jsonschema", "--schemafile", System.getenv("SCHEMA"), file.toString()};
        int code = new ProcessBuilder(command).redirectOutput(ProcessBuilder.Redirect.DISCARD).start().waitFor();
        Files.delete(file);
        return code == 0;
    }

    @SuppressWarnings("unchecked")
    static Map<String, Object> in(Map<String, Object> object, String name) {
        return (Map<String, Object>) object.get(name);
    }

    @SuppressWarnings("unchecked")
    static void ask(String commune) throws Exception {
        String id = UUID.randomUUID().toString();
        String event = """
            {"specversion": "1.0", "id": "%s", "source": "/examples/java", "type": "%s", "time": "%s",
             "data": {"commune": "%s", "listes": ["CE"], "formats": ["csv"], "requested_by": "stranger"}}
            """.formatted(id, TYPE, Instant.now(), commune);
        if (!followsSchema(event) || followsSchema(event.replace(commune, "LIBREVILLE"))) {
            throw new IllegalStateException("the schema does not tell a right event from a wrong one");
        }
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(System.getenv("PREFECTURE_AMQP_URL"));
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()
            .contentType("application/cloudevents+json; charset=utf-8").deliveryMode(2)
            .userId(factory.getUsername()).build();
        Map<String, Map<String, Object>> said = new HashMap<>();
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            String key = "programs." + factory.getUsername() + "." + TYPE;
            channel.basicPublish("prefecture", key, true, properties, event.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(10_000);
            while (!said.keySet().containsAll(List.of("accepted", "ready"))) {
                GetResponse message = channel.basicGet(System.getenv("QUEUE"), true);
                if (message == null) {
                    Thread.sleep(100);
                    continue;
                }
                String body = new String(message.getBody(), StandardCharsets.UTF_8);
                Map<String, Object> heard = (Map<String, Object>) new JSONReader().read(body);
                if (in(in(heard, "data"), "request").get("id").equals(id)) {
                    said.put((String) in(heard, "data").get("status"), in(heard, "data"));
                }
            }
        }
        Map<String, Object> ready = in(said.get("ready"), "file");
        HttpRequest request = HttpRequest.newBuilder(URI.create((String) ready.get("url")))
            .header("Authorization", "Bearer " + System.getenv("TOKEN")).build();
        byte[] file = HttpClient.newHttpClient().send(request, HttpResponse.BodyHandlers.ofByteArray()).body();
        String digest = HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(file));
        int files = ((List<Object>) said.get("accepted").get("exports")).size();
        System.out.println(String.join(" ", id, String.valueOf(files), (String) ready.get("sha256"), digest));
    }

    static void verify(String id, String timestamp, String signatures) throws Exception {
        String body = new String(System.in.readAllBytes(), StandardCharsets.UTF_8);
        Mac mac = Mac.getInstance("HmacSHA256");
        byte[] key = Base64.getDecoder().decode(System.getenv("SECRET").substring("whsec_".length()));
        mac.init(new SecretKeySpec(key, "HmacSHA256"));
        byte[] digest = mac.doFinal((id + "." + timestamp + "." + body).getBytes(StandardCharsets.UTF_8));
        byte[] expected = ("v1," + Base64.getEncoder().encodeToString(digest)).getBytes();
        boolean proves = Arrays.stream(signatures.split(" "))
            .anyMatch(one -> MessageDigest.isEqual(one.getBytes(), expected));
        if (!proves || Math.abs(Instant.now().getEpochSecond() - Long.parseLong(timestamp)) > 300) {
            throw new SecurityException("the signature does not prove it");
        }
        System.out.println(((List<?>) new JSONReader().read(body)).size());
    }
}
