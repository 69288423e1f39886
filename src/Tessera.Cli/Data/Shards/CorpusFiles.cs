using System.IO.Compression;
using System.IO.Enumeration;
using System.Runtime.ExceptionServices;
using System.Text;
using System.Text.Unicode;
using Tessera.Runs;
using Tessera.Training.Data.Shards;

namespace Tessera.Cli.Data.Shards;

/// <summary>
/// Text files and rows of JSON lines, perhaps gzipped, as a corpus: the documents that <see cref="TextFiles"/> reads, one at a time.
/// </summary>
internal sealed class CorpusFiles : ICorpus
{
    private const string Rows = ".jsonl";
    private const string Packed = ".gz";
    private static readonly string[] KnownEndings = [Rows, ".txt", ".text"];
    private static readonly byte[] LineEnd = "\n"u8.ToArray();
    private static readonly byte[] DocumentBorder = Encoding.UTF8.GetBytes(TextFiles.Border);

    private readonly string _field;
    private readonly List<(string Path, string Name)> _files;

    private CorpusFiles(List<(string Path, string Name)> files, string field, int leftOut)
    {
        _files = files;
        _field = field;
        LeftOut = leftOut;
        Inputs = Hashed(files);
    }

    /// <inheritdoc />
    public IReadOnlyList<ShardInput> Inputs { get; }

    /// <summary>Files of folders with endings that no text has.</summary>
    public int LeftOut { get; }

    /// <summary>What decides the documents: contents of the files in their order, and how each is read.</summary>
    public string Hash => ContentHash.OfNamed(Inputs.Select((input, i) => KeyValuePair.Create(
            FormattableString.Invariant($"file {i}"), $"{input.Sha256} {(IsRows(_files[i].Path) ? Rows : "text")} {(IsPacked(_files[i].Path) ? Packed : "")} {input.Name}"))
        .Append(KeyValuePair.Create("field", _field)));

    /// <summary>Lists files, and the files of folders by their names; hashes them all.</summary>
    /// <param name="inputs">Files of any ending, and folders, of which .jsonl, .txt and .text are taken, each perhaps with .gz behind it.</param>
    /// <param name="field">The field of rows that is their text.</param>
    /// <exception cref="InvalidDataException">An input is missing, or a folder holds no text.</exception>
    public static CorpusFiles Of(IEnumerable<string> inputs, string field)
    {
        var files = new List<(string, string)>();
        int leftOut = 0;
        foreach (string input in inputs)
        {
            if (File.Exists(input))
            {
                files.Add((input, Path.GetFileName(input)));
                continue;
            }

            if (!Directory.Exists(input))
            {
                throw new InvalidDataException($"{input}: no such file or folder");
            }

            var (found, others) = Below(input);
            if (found.Count == 0)
            {
                throw new InvalidDataException($"{input}: no file in it ends in {string.Join(", ", KnownEndings)}, perhaps with {Packed} behind it");
            }

            files.AddRange(found);
            leftOut += others;
        }

        return new CorpusFiles(files, field, leftOut);
    }

    /// <inheritdoc />
    public IEnumerable<CorpusDocument> Read(CorpusPosition from)
    {
        for (int file = from.File; file < _files.Count; file++)
        {
            var start = file == from.File ? from : new CorpusPosition(file, 0, 0);
            foreach (var document in ReadFile(start))
            {
                yield return document;
            }
        }
    }

    /// <inheritdoc />
    public string Text(CorpusDocument document)
    {
        string path = _files[document.Start.File].Path;
        string place = $"{(IsRows(path) ? "line" : "document")} {document.Start.Number + 1}";
        var bytes = document.Bytes.AsMemory();
        if (document.Start.Offset == 0 && bytes.Span.StartsWith("\uFEFF"u8))
        {
            bytes = bytes[3..];
        }

        if (!Utf8.IsValid(bytes.Span))
        {
            throw new InvalidDataException($"{path}: {place} is not UTF-8");
        }

        return IsRows(path)
            ? TextFiles.ReadRow(path, document.Start.Number + 1, bytes, _field)
            : Encoding.UTF8.GetString(bytes.Span).Trim('\n');
    }

    private static (List<(string Path, string Name)> Files, int Others) Below(string folder)
    {
        // Links to folders are not followed: they could lead round in a circle.
        var all = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.None, IgnoreInaccessible = false };
        var files = new FileSystemEnumerable<string>(folder, (ref entry) => entry.ToSpecifiedFullPath(), all)
        {
            ShouldIncludePredicate = (ref entry) => !entry.IsDirectory,
            ShouldRecursePredicate = (ref entry) => !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
        };
        var names = files
            .Select(path => (Path: path, Name: Path.GetRelativePath(folder, path).Replace(Path.DirectorySeparatorChar, '/')))
            .OrderBy(file => file.Name, StringComparer.Ordinal).ToList();
        var known = names.Where(file => KnownEndings.Any(ending => Unpacked(file.Name).EndsWith(ending, StringComparison.OrdinalIgnoreCase))).ToList();
        return (known, names.Count - known.Count);
    }

    private static ShardInput[] Hashed(List<(string Path, string Name)> files)
    {
        try
        {
            return [.. files.AsParallel().AsOrdered().Select(file => new ShardInput(file.Name, new FileInfo(file.Path).Length, ContentHash.OfFile(file.Path)))];
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
            throw;
        }
    }

    private static bool IsPacked(string path) => path.EndsWith(Packed, StringComparison.OrdinalIgnoreCase);

    private static string Unpacked(string path) => IsPacked(path) ? path[..^Packed.Length] : path;

    private static bool IsRows(string path) => Unpacked(path).EndsWith(Rows, StringComparison.OrdinalIgnoreCase);

    private IEnumerable<CorpusDocument> ReadFile(CorpusPosition from)
    {
        string path = _files[from.File].Path;
        bool rows = IsRows(path);
        using var stream = Open(path, from.Offset);
        using var segments = SegmentReader.Read(stream, rows ? LineEnd : DocumentBorder, TooLong).GetEnumerator();
        Exception TooLong(long number) => new InvalidDataException(
            $"{path}: {(rows ? "line" : "document")} {from.Number + number + 1} has more than {SegmentReader.MostBytes} bytes"
            + (rows ? string.Empty : $"; put {TextFiles.Border} between documents"));
        for (var place = from; Next(segments, path);)
        {
            var segment = segments.Current;
            var end = place with { Offset = place.Offset + segment.Length, Number = place.Number + 1 };
            if (!rows || segment.Bytes.Span.ContainsAnyExcept(" \t\r"u8))
            {
                yield return new CorpusDocument(segment.Bytes.ToArray(), place, end);
            }

            place = end;
        }
    }

    private static bool Next(IEnumerator<Segment> segments, string path)
    {
        try
        {
            return segments.MoveNext();
        }
        catch (InvalidDataException problem) when (!problem.Message.StartsWith(path, StringComparison.Ordinal))
        {
            throw new InvalidDataException($"{path}: the gzip data is damaged or cut off", problem);
        }
    }

    /// <summary>A file from a byte of its unpacked content on.</summary>
    private static Stream Open(string path, long offset)
    {
        var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, bufferSize: 0);
        if (!IsPacked(path))
        {
            file.Seek(offset, SeekOrigin.Begin);
            return file;
        }

        var unpacked = new GZipStream(file, CompressionMode.Decompress);
        byte[] skipped = new byte[1 << 16];
        while (offset > 0)
        {
            int count = unpacked.Read(skipped, 0, (int)Math.Min(skipped.Length, offset));
            if (count == 0)
            {
                unpacked.Dispose();
                throw new InvalidDataException($"{path}: the unpacked text is shorter than it was");
            }

            offset -= count;
        }

        return unpacked;
    }
}
