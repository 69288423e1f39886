using Tessera.Models.Checkpoints;
using Tessera.Models.Tokenizers;

namespace Tessera.Cli.Data;

/// <summary>Tokenizers as the command line names them.</summary>
internal static class TokenizerFiles
{
    /// <summary>Reads the tokenizer of a folder, a .gguf file, a model on a hub, or a tokenizer file.</summary>
    /// <exception cref="InvalidDataException">There is none; one sentence.</exception>
    public static Tokenizer Load(string name)
    {
        string path = ModelPath.Of(name);
        if (Directory.Exists(path))
        {
            return Tokenizer.Load(Tokenizer.Find(path) ?? throw new InvalidDataException($"{path}: no tokenizer there"));
        }

        return File.Exists(path)
            ? ModelFolder.LoadTokenizer(path) ?? throw new InvalidDataException($"{path}: no tokenizer in it")
            : throw new InvalidDataException($"{path}: no such file");
    }
}
