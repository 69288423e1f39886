using System.Buffers;
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Tessera.Interop;

namespace Tessera.Devices;

/// <summary>Compiles device code for one architecture, and remembers the result on disk.</summary>
internal sealed unsafe class KernelCompiler
{
    private readonly string _architecture;
    private readonly KernelCache _cache;
    private readonly string[] _options;
    private readonly string _version;

    public KernelCompiler(string architecture, KernelCache cache)
    {
        _architecture = architecture;
        _cache = cache;
        _options = CudaKernels.WaitsAfterEach
            ? [$"--gpu-architecture={architecture}", "--std=c++17", "-lineinfo"]
            : [$"--gpu-architecture={architecture}", "--std=c++17"];
        try
        {
            Nvrtc.Check(Nvrtc.Version(out int major, out int minor), "nvrtcVersion");
            _version = $"{major}.{minor}";
        }
        catch (DllNotFoundException missing)
        {
            throw new NotSupportedException(missing.Message, missing);
        }
    }

    /// <summary>Variants compiled by this process, rather than found on disk.</summary>
    public int Compiled { get; private set; }

    /// <summary>SHA-256 of source, headers, options, version of the compiler and architecture, in hexadecimal.</summary>
    public string KeyOf(KernelSourceText source)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        Append(hash, _version);
        foreach (string option in (string[])[.. _options, .. source.Defines])
        {
            Append(hash, option);
        }

        Append(hash, source.File);
        Append(hash, source.Text);
        foreach (var (name, text) in source.Headers)
        {
            Append(hash, name);
            Append(hash, text);
        }

        return Convert.ToHexStringLower(hash.GetHashAndReset());
    }

    /// <summary>The machine code, from disk or compiled now; a file that was damaged counts as none.</summary>
    public byte[] Image(KernelSourceText source) => _cache.ReadSealed(KeyOf(source) + ".cubin") ?? Compile(source);

    /// <summary>Compiles, whatever lies on disk.</summary>
    /// <exception cref="CudaException">The source has an error; the message holds file, options and log.</exception>
    public byte[] Compile(KernelSourceText source)
    {
        long start = Stopwatch.GetTimestamp();
        byte[] image = Run(source);
        Compiled++;
        string key = KeyOf(source);
        _cache.WriteSealed(key + ".cubin", image);
        _cache.Write(key + ".json", Json(json =>
        {
            json.WriteString("file", source.File);
            json.WriteString("architecture", _architecture);
            json.WriteString("options", string.Join(' ', [.. _options, .. source.Defines]));
            json.WriteString("nvrtc", _version);
            json.WriteNumber("seconds", Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 3));
        }));
        return image;
    }

    /// <summary>Writes what a loaded function takes beside its code, once.</summary>
    public void Describe(KernelSourceText source, string name, CudaFunction function)
    {
        string entry = string.Concat(name.TakeWhile(letter => letter is '_' || char.IsAsciiLetterOrDigit(letter)));
        string file = $"{KeyOf(source)}.{entry}.json";
        if (_cache.Read(file) is null)
        {
            _cache.Write(file, Json(json =>
            {
                json.WriteString("kernel", name);
                json.WriteNumber("registers", function.Registers);
                json.WriteNumber("local_bytes", function.LocalBytes);
                json.WriteNumber("shared_bytes", function.SharedBytes);
            }));
        }
    }

    private byte[] Run(KernelSourceText source)
    {
        using var text = new NativeStrings([source.Text, source.File]);
        using var headers = new NativeStrings([.. source.Headers.Select(header => header.Text)]);
        using var names = new NativeStrings([.. source.Headers.Select(header => header.Name)]);
        using var options = new NativeStrings([.. _options, .. source.Defines]);
        Nvrtc.Check(
            Nvrtc.CreateProgram(out nint program, text[0], text[1], source.Headers.Count, headers.Pointers, names.Pointers),
            "nvrtcCreateProgram");
        try
        {
            int status = Nvrtc.CompileProgram(program, options.Count, options.Pointers);
            if (status != 0)
            {
                throw new CudaException(
                    "nvrtcCompileProgram", status,
                    $"{source.File} does not compile for {_architecture} with {string.Join(' ', source.Defines)}: {Log(program)}");
            }

            Nvrtc.Check(Nvrtc.GetCubinSize(program, out nuint bytes), "nvrtcGetCUBINSize");
            byte[] image = new byte[bytes];
            fixed (byte* first = image)
            {
                Nvrtc.Check(Nvrtc.GetCubin(program, first), "nvrtcGetCUBIN");
            }

            return image;
        }
        finally
        {
            _ = Nvrtc.DestroyProgram(ref program);
        }
    }

    private static string Log(nint program)
    {
        Nvrtc.Check(Nvrtc.GetProgramLogSize(program, out nuint bytes), "nvrtcGetProgramLogSize");
        byte[] log = new byte[bytes];
        fixed (byte* first = log)
        {
            Nvrtc.Check(Nvrtc.GetProgramLog(program, first), "nvrtcGetProgramLog");
        }

        return Encoding.UTF8.GetString(log).TrimEnd('\0', '\n');
    }

    private static byte[] Json(Action<Utf8JsonWriter> write)
    {
        var buffer = new ArrayBufferWriter<byte>();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Indented = true }))
        {
            json.WriteStartObject();
            write(json);
            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void Append(IncrementalHash hash, string text)
    {
        byte[] bytes = Encoding.UTF8.GetBytes(text);
        hash.AppendData(BitConverter.GetBytes(bytes.Length));
        hash.AppendData(bytes);
    }
}
