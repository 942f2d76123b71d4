// Ask for the list files of a commune with RabbitMQ's Java client (Debian: librabbitmq-client-java).
//   PREFECTURE_AMQP_URL=amqp://account:password@host/vhost \
//     java -cp amqp-client.jar:slf4j-api.jar:slf4j-nop.jar RequestExport.java 13900
import com.rabbitmq.client.AMQP;
import com.rabbitmq.client.Channel;
import com.rabbitmq.client.Connection;
import com.rabbitmq.client.ConnectionFactory;
import java.nio.charset.StandardCharsets;
import java.time.Instant;
import java.util.UUID;
import java.util.concurrent.atomic.AtomicBoolean;
import javax.net.ssl.SSLContext;

public class RequestExport {
    static final String TYPE = "fr.openelec.prefecture.request.liste_export.v1";
    static final long CONFIRM_MILLISECONDS = 10_000;

    public static void main(String[] arguments) {
        try {
            if (arguments.length != 1 || !arguments[0].matches("[0-9][0-9AB][0-9]{3}")) {
                throw new IllegalArgumentException("usage: RequestExport CODE_COMMUNE");
            }
            System.out.println(publish(System.getenv("PREFECTURE_AMQP_URL"), arguments[0]));
        } catch (Exception error) {
            System.err.println(error.getMessage() == null ? error.getCause() : error.getMessage());
            System.exit(1);
        }
    }

    static String publish(String url, String commune) throws Exception {
        ConnectionFactory factory = new ConnectionFactory();
        factory.setUri(url);
        factory.setAutomaticRecoveryEnabled(false);
        if (url.startsWith("amqps:")) {
            factory.useSslProtocol(SSLContext.getDefault()); // setUri alone would trust any certificate
            // With amqp-client 5.4 or newer, add factory.enableHostnameVerification(); Debian's 5.0 has none.
        }
        String id = UUID.randomUUID().toString();
        String event = """
            {"specversion": "1.0", "id": "%s", "source": "/examples/java", "type": "%s", "time": "%s",
             "datacontenttype": "application/json",
             "data": {"commune": "%s", "listes": ["P", "CE", "CM"], "formats": ["csv"], "requested_by": "exemple"}}
            """.formatted(id, TYPE, Instant.now(), commune);
        AMQP.BasicProperties properties = new AMQP.BasicProperties.Builder()
            .contentType("application/cloudevents+json; charset=utf-8").deliveryMode(2).messageId(id)
            .userId(factory.getUsername()).build(); // checked by the broker: who asks
        String routingKey = factory.getUsername() + "." + TYPE;
        AtomicBoolean returned = new AtomicBoolean();
        try (Connection connection = factory.newConnection(); Channel channel = connection.createChannel()) {
            channel.confirmSelect();
            channel.addReturnListener((code, text, exchange, key, props, body) -> returned.set(true));
            channel.basicPublish("prefecture", routingKey, true, properties, event.getBytes(StandardCharsets.UTF_8));
            channel.waitForConfirmsOrDie(CONFIRM_MILLISECONDS);
        }
        if (returned.get()) {
            throw new IllegalStateException("no queue for this account and type");
        }
        return id;
    }
}
