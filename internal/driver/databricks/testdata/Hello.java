import java.util.Arrays;

// Built by: javac --release 8 Hello.java && jar cf hello.jar Hello.class
class Hello {
    public static void main(String[] args) {
        System.out.println(System.getenv("GREETING") + " " + Arrays.toString(args));
    }
}
