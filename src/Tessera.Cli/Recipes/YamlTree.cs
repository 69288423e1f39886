using System.Text;
using YamlDotNet.Core;
using YamlDotNet.Core.Events;

namespace Tessera.Cli.Recipes;

/// <summary>
/// Reads the part of YAML that recipes and blends need: mappings, lists and scalars of one document. Whatever could make a small file
/// large or a text into something else is refused: anchors, aliases, tags, deep nesting, long scalars.
/// </summary>
internal static class YamlTree
{
    public const int MostBytes = 1 << 20;
    public const int MostScalarLength = 4096;
    private const int MostDepth = 8;

    /// <summary>Reads a file.</summary>
    /// <param name="path">The file.</param>
    /// <param name="what">What it is, for sentences.</param>
    /// <exception cref="InvalidDataException">One sentence with file and line.</exception>
    public static YamlNode Read(string path, string what = "recipe")
    {
        string text = ReadText(path, what);
        var parser = new Parser(new Scanner(new StringReader(text), skipComments: true));
        try
        {
            parser.Consume<StreamStart>();
            if (!parser.TryConsume<DocumentStart>(out _))
            {
                throw new InvalidDataException($"{path}: the file is empty, expected a {what}");
            }

            var root = Node(path, what, parser, 0);
            parser.Consume<DocumentEnd>();
            return parser.Accept<DocumentStart>(out var next)
                ? throw Place.Line(path, next.Start.Line).Wrong($"a second document begins, expected one {what} a file")
                : root;
        }
        catch (YamlException error)
        {
            throw Place.Line(path, error.Start.Line).Wrong($"not YAML: {error.Message}", error);
        }
        catch (Exception error) when (error is not (InvalidDataException or OutOfMemoryException))
        {
            // The parser answers some malformed files, such as an open bracket before a comment, with exceptions of other kinds.
            throw Place.Line(path, parser.Current?.End.Line ?? 1).Wrong("not YAML from here on", error);
        }
    }

    private static string ReadText(string path, string what)
    {
        if (!File.Exists(path))
        {
            throw new InvalidDataException($"{path}: no such file");
        }

        // Through a stream, as the length of a device or pipe is not to be believed.
        using var stream = File.OpenRead(path);
        var bytes = new byte[MostBytes + 1];
        int length = stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false);
        if (length > MostBytes)
        {
            throw new InvalidDataException($"{path}: longer than {MostBytes} bytes, which no {what} is");
        }

        try
        {
            return new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(bytes, 0, length).TrimStart('\uFEFF');
        }
        catch (DecoderFallbackException error)
        {
            throw new InvalidDataException($"{path}: byte {error.Index} is not UTF-8", error);
        }
    }

    private static YamlNode Node(string path, string what, Parser parser, int depth)
    {
        var place = Place.Line(path, parser.Current!.Start.Line);
        if (parser.Current is AnchorAlias)
        {
            throw place.Wrong($"aliases (*name) are not allowed in a {what}" + Hint(what));
        }

        if (parser.Current is not NodeEvent node)
        {
            throw place.Wrong("expected a value");
        }

        if (!node.Anchor.IsEmpty)
        {
            throw place.Wrong($"anchors (&name) are not allowed in a {what}" + Hint(what));
        }

        if (!node.Tag.IsEmpty)
        {
            throw place.Wrong($"tags ({node.Tag.Value}) are not allowed in a {what}");
        }

        if (depth > MostDepth)
        {
            throw place.Wrong($"nested deeper than {MostDepth} levels");
        }

        return parser.Current switch
        {
            Scalar => Text(place, parser.Consume<Scalar>()),
            SequenceStart => List(path, what, place, parser, depth),
            _ => Map(path, what, place, parser, depth),
        };
    }

    // Recipes have variables for what would be said twice.
    private static string Hint(string what) => what == "recipe" ? "; use variables" : string.Empty;

    private static YamlScalar Text(Place place, Scalar scalar) => scalar.Value.Length > MostScalarLength
        ? throw place.Wrong($"a value of {scalar.Value.Length} characters, expected at most {MostScalarLength}")
        : new YamlScalar(place, scalar.Value, scalar.Style == ScalarStyle.Plain);

    private static YamlList List(string path, string what, Place place, Parser parser, int depth)
    {
        parser.Consume<SequenceStart>();
        var items = new List<YamlNode>();
        while (!parser.TryConsume<SequenceEnd>(out _))
        {
            items.Add(Node(path, what, parser, depth + 1));
        }

        return new YamlList(place, items);
    }

    private static YamlMap Map(string path, string what, Place place, Parser parser, int depth)
    {
        parser.Consume<MappingStart>();
        var entries = new List<(YamlScalar, YamlNode)>();
        var keys = new HashSet<string>(StringComparer.Ordinal);
        while (!parser.TryConsume<MappingEnd>(out _))
        {
            var key = Node(path, what, parser, depth + 1).AsScalar("a key");
            if (!keys.Add(key.Text))
            {
                throw key.Place.Wrong($"the key '{key.Text}' stands twice");
            }

            entries.Add((key, Node(path, what, parser, depth + 1)));
        }

        return new YamlMap(place, entries);
    }
}
