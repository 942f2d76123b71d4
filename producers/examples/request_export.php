<?php
// Ask for the list files of a commune with php-amqplib (Debian: php-cli php-amqplib; or composer).
//   PREFECTURE_AMQP_URL=amqp://account:password@host/vhost php request_export.php 13900
declare(strict_types=1);

require getenv('PHP_AMQPLIB_AUTOLOAD') ?: 'PhpAmqpLib/autoload.php';

use PhpAmqpLib\Connection\AbstractConnection;
use PhpAmqpLib\Connection\AMQPConnectionConfig;
use PhpAmqpLib\Connection\AMQPConnectionFactory;
use PhpAmqpLib\Message\AMQPMessage;

const TYPE = 'fr.openelec.prefecture.request.liste_export.v1';
const CONFIRM_SECONDS = 10;

function connect(string $url): AbstractConnection
{
    $parts = parse_url($url);
    $config = new AMQPConnectionConfig();
    $config->setIsSecure($parts['scheme'] === 'amqps');
    $config->setHost($parts['host']);
    $config->setPort($parts['port'] ?? ($config->isSecure() ? 5671 : 5672));
    $config->setUser(account($url));
    $config->setPassword(urldecode($parts['pass'] ?? 'guest'));
    $config->setVhost(urldecode(substr($parts['path'] ?? '/', 1)) ?: '/');
    return AMQPConnectionFactory::create($config);
}

function account(string $url): string
{
    return urldecode(parse_url($url, PHP_URL_USER) ?? 'guest');
}

function uuid(): string
{
    return vsprintf('%s%s-%s-4%.3s-a%.3s-%s%s%s', str_split(bin2hex(random_bytes(18)), 4));
}

try {
    $url = getenv('PREFECTURE_AMQP_URL') ?: throw new RuntimeException('PREFECTURE_AMQP_URL is not set');
    $connection = connect($url);
    $event = [
        'specversion' => '1.0',
        'id' => uuid(),
        'source' => '/examples/php',
        'type' => TYPE,
        'time' => gmdate('Y-m-d\TH:i:s\Z'),
        'datacontenttype' => 'application/json',
        'data' => [
            'commune' => $argv[1] ?? throw new RuntimeException('usage: request_export.php CODE_COMMUNE'),
            'listes' => ['P', 'CE', 'CM'],
            'formats' => ['csv'],
            'requested_by' => 'exemple',
        ],
    ];
    $message = new AMQPMessage(json_encode($event, JSON_THROW_ON_ERROR), [
        'content_type' => 'application/cloudevents+json; charset=utf-8',
        'delivery_mode' => AMQPMessage::DELIVERY_MODE_PERSISTENT,
        'message_id' => $event['id'],
        'user_id' => account($url), // checked by the broker: who asks
    ]);
    $channel = $connection->channel();
    $channel->confirm_select();
    $channel->set_nack_handler(fn () => throw new RuntimeException('refused: the queue is full'));
    $channel->set_return_listener(fn ($code, $text) => throw new RuntimeException("no queue for this account and type: $text"));
    $channel->basic_publish($message, 'prefecture', account($url) . '.' . TYPE, mandatory: true);
    $channel->wait_for_pending_acks_returns(CONFIRM_SECONDS);
    echo $event['id'], "\n";
    $connection->close();
} catch (Throwable $error) {
    fwrite(STDERR, $error->getMessage() . "\n");
    exit(1);
}
