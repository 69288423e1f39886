namespace Tessera.Training.Data.Shards;

/// <summary>A place in a corpus, from which it can be read on.</summary>
/// <param name="File">Number of the file.</param>
/// <param name="Offset">Bytes of it, unpacked, that lie before.</param>
/// <param name="Number">Rows or documents of the file that lie before, for messages.</param>
public readonly record struct CorpusPosition(int File, long Offset, long Number);

/// <summary>A document as its file has it.</summary>
/// <param name="Bytes">Its bytes.</param>
/// <param name="Start">Where it begins.</param>
/// <param name="End">Where the next begins.</param>
public readonly record struct CorpusDocument(byte[] Bytes, CorpusPosition Start, CorpusPosition End);

/// <summary>Documents in a fixed order that can be read from any place on. Reading is sequential; <see cref="Text"/> may be called by any number of threads.</summary>
public interface ICorpus
{
    /// <summary>The files, for the index.</summary>
    IReadOnlyList<ShardInput> Inputs { get; }

    /// <summary>The documents from a place on.</summary>
    /// <exception cref="InvalidDataException">A file is damaged; one sentence with file and place.</exception>
    IEnumerable<CorpusDocument> Read(CorpusPosition from);

    /// <summary>The text of a document; empty where there is none.</summary>
    /// <exception cref="InvalidDataException">It is not what it should be; one sentence with file and place.</exception>
    string Text(CorpusDocument document);
}
