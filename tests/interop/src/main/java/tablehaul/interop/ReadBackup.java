package tablehaul.interop;

import com.google.gson.Gson;
import com.google.gson.GsonBuilder;
import com.google.gson.JsonArray;
import com.google.gson.JsonElement;
import com.google.gson.JsonObject;
import com.google.gson.JsonParser;
import java.io.BufferedInputStream;
import java.io.BufferedOutputStream;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.Reader;
import java.io.Writer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.apache.hadoop.dynamodb.DynamoDBItemWritable;

/**
 * Reads backups with {@link DynamoDBItemWritable}, EDC's line reader and writer, and prints what it understood.
 *
 * <pre>
 * java -jar interop.jar [--edc-lines] FOLDER|FILE...
 * </pre>
 *
 * One line for each item: native DynamoDB JSON, {@code {"Item":{...}}}, with attributes and map keys sorted, sets and
 * lists in the order read. A value whose type EDC did not understand comes out as {@code {}}. With
 * {@code --edc-lines}: as EDC itself writes that item, attributes in the order read, so that the output for a part
 * file that EDC would have written is that file, byte for byte.
 *
 * <p>Of a folder, the files its {@code manifest} lists are read, looked up by name in that folder, wherever the
 * urls point; without a manifest, every file whose name starts with neither {@code _} nor {@code .}. Plain and gzip.
 * Exit code 1 and one line on stderr at the first thing that isn't readable.
 */
public final class ReadBackup {
    private static final Gson GSON = new GsonBuilder().disableHtmlEscaping().create();

    private ReadBackup() {}

    /** A backup that EDC would not read. */
    private static final class Defect extends Exception {
        private static final long serialVersionUID = 1L;

        Defect(String what) {
            super(what);
        }
    }

    public static void main(String[] args) throws IOException {
        boolean edcLines = args.length > 0 && args[0].equals("--edc-lines");
        int first = edcLines ? 1 : 0;
        if (args.length == first) {
            System.err.println("usage: ReadBackup [--edc-lines] FOLDER|FILE...");
            System.exit(2);
        }
        try (Writer out = new OutputStreamWriter(new BufferedOutputStream(System.out, 1 << 16), StandardCharsets.UTF_8)) {
            for (int i = first; i < args.length; i++) {
                for (Path file : filesOf(Paths.get(args[i]))) {
                    read(file, edcLines, out);
                }
            }
        } catch (Defect | IOException e) {
            System.err.println("error: " + (e instanceof Defect ? e.getMessage() : e.toString()));
            System.exit(1);
        }
    }

    private static List<Path> filesOf(Path path) throws IOException, Defect {
        if (!Files.isDirectory(path)) {
            return Collections.singletonList(path);
        }
        Path manifest = path.resolve("manifest");
        if (!Files.exists(manifest)) {
            try (Stream<Path> all = Files.list(path)) {
                return all.filter(p -> !p.getFileName().toString().matches("[_.].*") && Files.isRegularFile(p))
                        .sorted()
                        .collect(Collectors.toList());
            }
        }
        List<Path> files = new ArrayList<>();
        for (String url : urlsOf(manifest)) {
            files.add(path.resolve(url.substring(url.lastIndexOf('/') + 1)));
        }
        return files;
    }

    /** The urls of a manifest by EDC's rules (its own reader is on no registry): version 3, other keys skipped. */
    private static List<String> urlsOf(Path manifest) throws IOException, Defect {
        try (Reader in = Files.newBufferedReader(manifest, StandardCharsets.UTF_8)) {
            JsonObject all = new JsonParser().parse(in).getAsJsonObject();
            if (all.get("version").getAsInt() != 3) {
                throw new Defect(manifest + ": version " + all.get("version"));
            }
            List<String> urls = new ArrayList<>();
            for (JsonElement entry : all.get("entries").getAsJsonArray()) {
                urls.add(entry.getAsJsonObject().get("url").getAsString());
            }
            return urls;
        } catch (RuntimeException e) {
            throw new Defect(manifest + ": not a manifest: " + e);
        }
    }

    private static void read(Path file, boolean edcLines, Writer out) throws IOException, Defect {
        long number = 0;
        try (BufferedReader in = new BufferedReader(open(file), 1 << 16)) {
            // Like Hadoop's LineReader: \n, \r and \r\n end a line.
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                number++;
                DynamoDBItemWritable item = new DynamoDBItemWritable();
                item.readFieldsStream(line);
                String written = item.writeStream();
                out.write(edcLines ? written : nativeLine(written));
                out.write('\n');
            }
        } catch (RuntimeException e) {
            throw new Defect(file + ":" + number + ": " + e);
        } catch (IOException e) {
            throw new Defect(file + ": after line " + number + ": " + e);
        }
    }

    private static Reader open(Path file) throws IOException {
        InputStream in = new BufferedInputStream(Files.newInputStream(file), 1 << 16);
        in.mark(2);
        boolean gzip = in.read() == 0x1f && in.read() == 0x8b;
        in.reset();
        // A decoder of its own, since InputStreamReader with a Charset replaces malformed bytes silently.
        return new InputStreamReader(gzip ? new GZIPInputStream(in, 1 << 16) : in, StandardCharsets.UTF_8.newDecoder());
    }

    /**
     * A line as EDC writes it, in native JSON. Going by EDC's text and not by the SDK's classes lets one source serve
     * EDC 4 (SDK 1) and EDC 5 (SDK 2).
     */
    private static String nativeLine(String written) {
        JsonObject line = new JsonObject();
        line.add("Item", attributes(new JsonParser().parse(written).getAsJsonObject()));
        return GSON.toJson(line);
    }

    private static JsonObject attributes(JsonObject edc) {
        Map<String, JsonElement> sorted = new TreeMap<>();
        for (Map.Entry<String, JsonElement> e : edc.entrySet()) {
            sorted.put(e.getKey(), value(e.getValue().getAsJsonObject()));
        }
        JsonObject out = new JsonObject();
        sorted.forEach(out::add);
        return out;
    }

    private static JsonObject value(JsonObject edc) {
        JsonObject out = new JsonObject();
        for (Map.Entry<String, JsonElement> e : edc.entrySet()) {
            switch (e.getKey()) {
                case "m":
                    out.add("M", attributes(e.getValue().getAsJsonObject()));
                    break;
                case "l":
                    JsonArray list = new JsonArray();
                    e.getValue().getAsJsonArray().forEach(v -> list.add(value(v.getAsJsonObject())));
                    out.add("L", list);
                    break;
                case "nULLValue": // EDC 4
                    out.add("NULL", e.getValue());
                    break;
                default:
                    out.add(e.getKey().toUpperCase(Locale.ROOT), e.getValue());
            }
        }
        return out;
    }
}
